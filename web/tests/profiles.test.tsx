import { create } from '@bufbuild/protobuf';
import { cleanup, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test } from 'vitest';
import { EMPTY, type Draft } from '@/components/vm/draft';
import ProfileChoice from '@/components/vm/ProfileChoice';
import { ListProfilesResponseSchema, ProfileParameter_Type as Type, ProfileSchema, ProfileService, UserDataRule as Rule } from '@/gen/limiquantix/compute/v1/profile_pb';
import { parsed, typed } from '@/pages/profiles/document';
import Profiles from '@/pages/Profiles';
import { profilesText } from '@/text/profiles';
import { rendered, Stream, transport } from './support';

afterEach(cleanup);

const WEB = create(ProfileSchema, {
  id: 'p1',
  name: 'web',
  userDataRule: Rule.DENY,
  revision: 3,
  provisioning: { packages: ['nginx'] },
  parameters: [{ name: 'site', required: true, allowed: ['lab', 'prod'] }, { name: 'key', type: Type.SECRET }, { name: 'swap', type: Type.INTEGER, default: '512' }],
});

test('a document becomes the request that the command line would send', () => {
  const { request, problems } = parsed('name: web\nuser_data_rule: deny\nparameters:\n  - {name: swap, type: integer, default: 512}\n  - {name: more, type: list, default: [a, b], allowed: [a, b, 3]}\nprovisioning: {packages: ["${param.more}"], swap_mib: "${param.swap}"}\n', true);
  expect(problems).toEqual([]);
  expect(request).toMatchObject({ name: 'web', userDataRule: Rule.DENY, replace: true, provisioning: { packages: ['${param.more}'], swap_mib: '${param.swap}' } });
  expect(request?.parameters.map(({ type, default: usual, allowed }) => [type, usual, allowed])).toEqual([[Type.INTEGER, '512', []], [Type.LIST, 'a,b', ['a', 'b', '3']]]);
});

test.each([
  ['name: [web', /Flow|\]/],
  ['just words', /mapping/],
  ['name: web\nuser_data_rule: merge', /append, allow, deny/],
  ['name: web\nparameters: {a: 1}', /list of mappings/],
  ['name: web\nparameters: [{name: a, type: float}]', /string, secret/],
  ['name: web\nflavour: sweet', /flavour/],
  ['a: &a [x]\nname: web\nprovisioning: {b: *a}', /alias/i],
])('what %j lacks is told', (text, told) => {
  const { request, problems } = parsed(text, false);
  expect(request).toBeUndefined();
  expect(problems[0]?.message).toMatch(told);
});

test('a profile is typed as it would be read again, and so is the example', () => {
  expect(parsed(typed(WEB), false).request).toMatchObject({ name: 'web', userDataRule: Rule.DENY, provisioning: WEB.provisioning, parameters: WEB.parameters });
  expect(parsed(profilesText.example, false).problems).toEqual([]);
});

test('a profile is deleted once its name is typed', async () => {
  const deleted: string[] = [];
  const server = transport(new Stream(), (router) => {
    router.rpc(ProfileService.method.listProfiles, () => create(ListProfilesResponseSchema, { profiles: deleted.length ? [] : [WEB] }));
    router.rpc(ProfileService.method.deleteProfile, ({ name }) => {
      deleted.push(name);
      return {};
    });
  });
  rendered(<Profiles />, server);
  await userEvent.click(await screen.findByRole('button', { name: 'Delete web' }));
  const confirm = await screen.findByRole('button', { name: 'Delete for ever' });
  expect(confirm).toHaveProperty('disabled', true);
  await userEvent.type(screen.getByLabelText('Type web to confirm'), 'web');
  await userEvent.click(confirm);
  await waitFor(() => expect(deleted).toEqual(['p1']));
  expect(await screen.findByText('No profiles yet')).toBeTruthy();
});

test('a profile asks for its parameters, each in its own way, and takes no user data where it says so', async () => {
  const server = transport(new Stream(), (router) => router.rpc(ProfileService.method.listProfiles, () => create(ListProfilesResponseSchema, { profiles: [WEB] })));
  const drafts: Draft[] = [];
  const { rerender } = rendered(<ProfileChoice draft={{ ...EMPTY, userData: '#cloud-config' }} change={(draft) => drafts.push(draft)} />, server);
  await screen.findByRole('option', { name: 'web' });
  await userEvent.selectOptions(screen.getByLabelText('Profile'), 'p1');
  expect([drafts.at(-1)?.profile?.name, drafts.at(-1)?.userData]).toEqual(['web', '']);
  rerender(<ProfileChoice draft={{ ...EMPTY, profile: WEB, values: { swap: 'much' } }} change={(draft) => drafts.push(draft)} />);
  expect(screen.getByLabelText('key').getAttribute('type')).toBe('password');
  expect(screen.getByLabelText('swap').getAttribute('aria-invalid')).toBe('true');
  await userEvent.selectOptions(screen.getByLabelText(/site/), 'lab');
  expect(drafts.at(-1)?.values).toEqual({ swap: 'much', site: 'lab' });
  expect(screen.getByText(/takes no user data/)).toBeTruthy();
});
