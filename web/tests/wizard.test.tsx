import { create } from '@bufbuild/protobuf';
import { cleanup, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test } from 'vitest';
import { EMPTY, keyTrouble, requestOf, userOf, withImage } from '@/components/vm/draft';
import { ReviewStep } from '@/components/vm/ReviewStep';
import { CreateVMRequestSchema, Finding_Severity, PreflightReportSchema, ProvisioningPreviewSchema, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { ImageRequirementsSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import type { AvailableImage } from '@/hooks/useImages';
import { rendered, Stream, transport } from './support';

afterEach(cleanup);

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChAJ0+7vM4ZQ3JYq0u8tNDBTPVNBjVXH7mJvNyL5 me@here';

function available(): AvailableImage {
  const entry = { requirements: create(ImageRequirementsSchema, { minMemoryMib: 1500n, minDiskGib: 12n }) };
  return { id: 'rocky-9', name: 'Rocky 9', source: 'catalog', os: undefined, defaultUser: 'rocky', sizeBytes: 1n, trust: undefined, supportOver: false, entry: entry as never };
}

test.each([
  ['', undefined],
  [`${KEY}\n\n${KEY}`, undefined],
  ['-----BEGIN OPENSSH PRIVATE KEY-----', /private key/],
  [`${KEY}\nssh-ed25519 nonsense`, /Line 2 is no/],
  [KEY.replace('ssh-ed25519', 'ssh-rsa'), /Line 1 is no/],
])('the keys %j are judged', (keys, trouble) => {
  if (trouble) expect(keyTrouble(keys)).toMatch(trouble);
  else expect(keyTrouble(keys)).toBeUndefined();
});

test('an image brings its user and sizes that suffice', () => {
  const draft = withImage({ ...EMPTY, user: 'other' }, available());
  expect([userOf(draft), draft.memoryMib, draft.diskGib]).toEqual(['rocky', 2048, 20]);
});

test('the request says what was typed and leaves the rest to the server', () => {
  const request = create(CreateVMRequestSchema, requestOf({ ...withImage(EMPTY, available()), name: ' web-1 ', keys: `${KEY}\n`, packages: 'nginx, git', password: 'x y' }));
  const told = request.spec?.provisioning?.method;
  if (told?.case !== 'cloudInit') throw new Error('no cloud-init');
  expect([request.name, request.spec?.disks[0]?.image, told.value.hostname, told.value.defaultUser]).toEqual(['web-1', 'rocky-9', '', '']);
  expect([told.value.sshAuthorizedKeys, told.value.packages, told.value.users[0]?.password]).toEqual([[KEY], ['nginx', 'git'], 'x y']);
});

test.each([
  [Finding_Severity.WARNING, true],
  [Finding_Severity.BLOCKER, false],
])('a finding of severity %s lets it be made: %s', async (severity, may) => {
  const judged: boolean[] = [];
  const went: string[] = [];
  const server = transport(new Stream(), (router) => {
    router.rpc(VMService.method.previewProvisioning, () => create(ProvisioningPreviewSchema, { user: 'rocky', userData: '#cloud-config' }));
    router.rpc(VMService.method.preflightVM, () => create(PreflightReportSchema, { findings: [{ code: 'x', severity, message: 'Too small.', remedy: 'Give more.', field: 'spec.memory.size_mib' }] }));
  });
  rendered(<ReviewStep draft={withImage(EMPTY, available())} force={false} setForce={() => undefined} judged={(said) => judged.push(said)} goTo={(step) => went.push(step)} />, server);
  expect(await screen.findByText('Too small.')).toBeTruthy();
  expect(await screen.findByText('#cloud-config')).toBeTruthy();
  await waitFor(() => expect(judged.at(-1)).toBe(may));
  expect(screen.queryByRole('checkbox') === null).toBe(may);
  await userEvent.click(screen.getByRole('button', { name: 'Change it at “Machine”' }));
  expect(went).toEqual(['machine']);
});
