import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { cleanup, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test } from 'vitest';
import { countOf, EMPTY, keyTrouble, requestOf, userOf, withImage } from '@/components/vm/draft';
import { areValuesWhole, valueTrouble } from '@/components/vm/parameters';
import { MachineStep } from '@/components/vm/FormSteps';
import { ReviewStep } from '@/components/vm/ReviewStep';
import { answerTroubles, NO_ANSWERS } from '@/components/vm/windows';
import { ProfileParameter_Type as Type, ProfileParameterSchema, ProfileSchema } from '@/gen/limiquantix/compute/v1/profile_pb';
import { CreateVMRequestSchema, Datasource, Finding_Severity, PreflightReportSchema, ProvisioningPreviewSchema, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { ImageRequirementsSchema, ImageSpec_Format, OsInfo_OsFamily, OsInfo_ProvisioningMethod as Method, OsInfoSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import type { AvailableImage } from '@/hooks/useImages';
import { image, rendered, Stream, transport } from './support';

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
  ['auto', Datasource.UNSPECIFIED],
  ['drive', Datasource.CONFIG_DRIVE],
  ['smbios', Datasource.NOCLOUD_SMBIOS],
] as const)('a guest finds what it is told by %s: %s', (datasource, asked) => {
  const told = create(CreateVMRequestSchema, requestOf({ ...withImage(EMPTY, available()), datasource })).spec?.provisioning?.method;
  if (told?.case !== 'cloudInit') throw new Error('no cloud-init');
  expect(told.value.datasource).toBe(asked);
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

function windows(provisioningMethod: Method): AvailableImage {
  return { ...available(), os: create(OsInfoSchema, { family: OsInfo_OsFamily.WINDOWS, provisioningMethod }) };
}

test('a Windows image that waits for Setup is told answers, and one with Cloudbase-Init cloud-init’s fields', () => {
  const answers = { ...NO_ANSWERS, administratorPassword: 'Secret.1', domainUser: 'left over', firstLogonCommands: 'a b\n\nc\n' };
  const draft = { ...withImage(EMPTY, windows(Method.SYSPREP)), name: 'web-1', windows: answers, profile: create(ProfileSchema, { name: 'web' }) };
  const request = create(CreateVMRequestSchema, requestOf(draft));
  const told = request.spec?.provisioning?.method;
  if (told?.case !== 'sysprep') throw new Error('no answer file');
  expect([told.value.administratorPassword, told.value.firstLogonCommands, told.value.domainUser, request.profile]).toEqual(['Secret.1', ['a b', 'c'], '', '']);
  expect(requestOf({ ...draft, image: windows(Method.CLOUD_INIT) }).spec?.provisioning?.method?.case).toBe('cloudInit');
});

test('answers that lack each other are told where they lack', () => {
  expect(answerTroubles(NO_ANSWERS)).toEqual({});
  const wrong = answerTroubles({ ...NO_ANSWERS, productKey: '12345', locale: 'german', domain: 'example.com', firstLogonCommands: 'x' });
  expect(Object.keys(wrong).sort()).toEqual(['administratorPassword', 'domainPassword', 'domainUser', 'locale', 'productKey']);
});

test.each([
  ['auto', 0, false],
  ['bios', 0, true],
  ['uefi', 1, false],
  ['secure', 2, false],
] as const)('firmware %s is %s on the wire, BIOS alone %s', (firmware, number, biosOnly) => {
  const { spec } = create(CreateVMRequestSchema, requestOf({ ...withImage(EMPTY, available()), firmware, tpm: true, agent: false }));
  expect([spec?.firmware, spec?.biosOnly, spec?.tpm]).toEqual([number, biosOnly, true]);
  const told = spec?.provisioning?.method;
  expect(told?.case === 'cloudInit' && told.value.noGuestAgent).toBe(true);
});

test('what a machine is made of is chosen, and an ISO image of the library is a disc for it', async () => {
  const stream = new Stream();
  const disc = image('d', 'virtio-win');
  if (disc.spec) disc.spec.format = ImageSpec_Format.ISO;
  let draft = withImage(EMPTY, available());
  rendered(<MachineStep draft={draft} change={(changed) => { draft = changed; }} />, transport(stream));
  stream.say({ sequence: 1n, change: { case: 'image', value: disc } }, { sequence: 1n, change: { case: 'image', value: image('i', 'web-server') } }, { sequence: 1n, change: { case: 'upToDate', value: true } });
  await userEvent.selectOptions(await screen.findByLabelText('Disc with drivers'), 'virtio-win');
  expect(requestOf(draft).spec?.driverIso).toBe('d');
  expect(screen.queryByRole('option', { name: 'web-server' })).toBeNull();
  await userEvent.selectOptions(screen.getByLabelText('Processor'), 'x86-64-v2');
  expect(requestOf(draft).spec?.cpu?.model).toBe('x86-64-v2');
  await userEvent.selectOptions(screen.getByLabelText('Disk and network devices'), 'Virtio');
  expect(requestOf(draft).spec?.devices).toBe('virtio');
});

test.each([['1', 1], [' 256 ', 256], ['0', undefined], ['257', undefined], ['two', undefined], ['', undefined]])('%j VMs are %s', (count, number) => {
  expect(countOf({ ...EMPTY, count })).toBe(number);
});

const parameter = (said: MessageInitShape<typeof ProfileParameterSchema>) => create(ProfileParameterSchema, { name: 'x', ...said });

test.each([
  [{ type: Type.INTEGER }, '-12', true],
  [{ type: Type.INTEGER }, '1.5', false],
  [{ type: Type.INTEGER }, '007', false],
  [{ type: Type.LIST, allowed: ['a', 'b'] }, 'a, b', true],
  [{ type: Type.LIST, allowed: ['a', 'b'] }, 'a, c', false],
  [{ allowed: ['lab'] }, 'prod', false],
  [{ pattern: '[a-z][a-z0-9-]{0,30}' }, 'web-1', true],
  [{ pattern: '[a-z][a-z0-9-]{0,30}' }, 'Web', false],
  [{ pattern: '[a-z][a-z0-9-]{0,30}' }, 'a'.repeat(32), false],
  [{ pattern: '\\d+\\.x?' }, '12.', true],
  [{ pattern: '\\d+\\.x?' }, '12.xx', false],
  [{ pattern: 'a*a*a*a*a*a*a*a*a*a*b' }, 'a'.repeat(1000), false],
  [{ pattern: '(no|pattern)' }, 'anything', true],
  [{ required: true }, '', true],
])('of a parameter %j the value %j fits: %s', (said, value, good) => {
  expect(valueTrouble(parameter(said), value) === undefined).toBe(good);
});

test('values go where they belong, secrets apart, and what is required must be there', () => {
  const profile = create(ProfileSchema, { name: 'web', parameters: [{ name: 'site', required: true }, { name: 'password', type: Type.SECRET }, { name: 'swap', type: Type.INTEGER, required: true, default: '512' }] });
  expect(areValuesWhole(profile, {})).toBe(false);
  expect(areValuesWhole(profile, { site: 'lab' })).toBe(true);
  expect(areValuesWhole(profile, { site: 'lab', swap: 'much' })).toBe(false);
  const draft = { ...withImage(EMPTY, available()), profile, values: { site: 'lab', password: 'p', old: 'x', swap: '' } };
  const request = create(CreateVMRequestSchema, requestOf(draft));
  expect([request.profile, request.parameters, request.secretParameters]).toEqual(['web', { site: 'lab' }, { password: 'p' }]);
});
