import type { MessageInitShape } from '@bufbuild/protobuf';
import { networkOf, type NetworkDraft, ONE_CARD } from '@/components/vm/network';
import { parametersOf, type Values } from '@/components/vm/parameters';
import { NO_ANSWERS, sysprepOf, toldBy, type WindowsDraft } from '@/components/vm/windows';
import type { Profile } from '@/gen/limiquantix/compute/v1/profile_pb';
import { type CreateVMRequestSchema, Datasource, FirmwareType as Firmware, type ProvisioningConfigSchema } from '@/gen/limiquantix/compute/v1/vm_pb';
import type { AvailableImage } from '@/hooks/useImages';
import { wizardText as words } from '@/text/wizard';

/** What was chosen so far; undefined is what follows from the image or the name until it is typed. */
export interface Draft {
  image: AvailableImage | undefined;
  name: string;
  cores: number;
  memoryMib: number;
  diskGib: number;
  nodeId: string;
  /** As typed: of several alike. */
  count: string;
  firmware: FirmwareChoice;
  tpm: boolean;
  /** What the guest sees of the processor, and its devices: words of the request, '' for the usual. */
  cpuModel: string;
  devices: string;
  /** An ISO image as a second disc; '' for none. */
  driverIso: string;
  network: NetworkDraft;
  hostname: string | undefined;
  user: string | undefined;
  keys: string;
  password: string;
  packages: string;
  userData: string;
  agent: boolean;
  datasource: DatasourceChoice;
  profile: Profile | undefined;
  values: Values;
  windows: WindowsDraft;
}

export type FirmwareChoice = 'auto' | 'bios' | 'uefi' | 'secure';

export type DatasourceChoice = 'auto' | 'nocloud' | 'drive' | 'smbios';

export const CORES = [1, 2, 4, 8, 16, 32] as const;
export const MEMORY_MIB = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] as const;
/** 0: as large as the image. */
export const DISK_GIB = [0, 5, 10, 20, 40, 80, 160, 320, 640] as const;

export const EMPTY: Draft = {
  image: undefined, name: '', cores: 2, memoryMib: 1024, diskGib: 10, nodeId: '', count: '1', firmware: 'auto', tpm: false,
  cpuModel: '', devices: '', driverIso: '', network: ONE_CARD,
  hostname: undefined, user: undefined, keys: '', password: '', packages: '', userData: '', agent: true, datasource: 'auto', profile: undefined, values: {}, windows: NO_ANSWERS,
};

/** With an image chosen: sizes that it needs, and its own user. */
export function withImage(draft: Draft, image: AvailableImage): Draft {
  const needs = image.image?.spec?.requirements ?? image.entry?.requirements;
  const enough = (sizes: readonly number[], least: number): number => sizes.find((size) => size >= least) ?? least;
  return {
    ...draft,
    image,
    user: undefined,
    cores: enough(CORES, Math.max(2, needs?.minCpu ?? 0)),
    memoryMib: enough(MEMORY_MIB, Math.max(1024, Number(needs?.minMemoryMib ?? 0))),
    diskGib: enough(DISK_GIB, Math.max(10, Number(needs?.minDiskGib ?? 0))),
  };
}

export function userOf(draft: Draft): string {
  return draft.user ?? draft.image?.defaultUser ?? '';
}

function lines(said: string, between: RegExp): string[] {
  return said.split(between).map((one) => one.trim()).filter(Boolean);
}

/** What the server is asked: to preview, to judge, and to make. */
export function requestOf(draft: Draft, force = false): MessageInitShape<typeof CreateVMRequestSchema> {
  return {
    name: draft.name.trim(),
    nodeId: draft.nodeId,
    startOnCreate: true,
    force,
    spec: {
      cpu: { cores: draft.cores, model: draft.cpuModel },
      memory: { sizeMib: BigInt(draft.memoryMib) },
      disks: [{ image: draft.image?.id ?? '', sizeGib: BigInt(draft.diskGib) }],
      ...FIRMWARE[draft.firmware],
      tpm: draft.tpm,
      devices: draft.devices,
      driverIso: draft.driverIso,
      ...networkOf(draft.network),
      provisioning: provisioningOf(draft),
    },
    ...(toldBy(draft.image) === 'answers' ? {} : { profile: draft.profile?.name ?? '', ...parametersOf(draft.profile, draft.values) }),
  };
}

const FIRMWARE: Record<FirmwareChoice, { firmware?: Firmware; biosOnly?: boolean }> = {
  auto: {},
  bios: { biosOnly: true },
  uefi: { firmware: Firmware.UEFI },
  secure: { firmware: Firmware.UEFI_SECURE_BOOT },
};

const DATASOURCE: Record<DatasourceChoice, Datasource> = {
  auto: Datasource.UNSPECIFIED,
  nocloud: Datasource.NOCLOUD,
  drive: Datasource.CONFIG_DRIVE,
  smbios: Datasource.NOCLOUD_SMBIOS,
};

function provisioningOf(draft: Draft): MessageInitShape<typeof ProvisioningConfigSchema> {
  const hostname = draft.hostname?.trim() ?? '';
  if (toldBy(draft.image) === 'answers') return { method: { case: 'sysprep', value: sysprepOf(draft.windows, hostname) } };
  return {
    method: {
      case: 'cloudInit',
      value: {
        hostname,
        defaultUser: draft.user?.trim() ?? '',
        sshAuthorizedKeys: lines(draft.keys, /\n/),
        packages: lines(draft.packages, /[\s,]+/),
        userData: draft.userData,
        noGuestAgent: !draft.agent,
        datasource: DATASOURCE[draft.datasource],
        // An account without a name says more of the default user.
        users: draft.password ? [{ password: draft.password }] : [],
      },
    },
  };
}

// The server's own limit.
export const MOST_VMS = 256;

/** How many are to be made; undefined: what is typed is no such number. */
export function countOf({ count }: Draft): number | undefined {
  const said = /^\d{1,3}$/.test(count.trim()) ? Number(count) : 0;
  return said >= 1 && said <= MOST_VMS ? said : undefined;
}

const KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) ([A-Za-z0-9+/]+={0,2})(?: .*)?$/;

/** What is wrong with the keys, in words; the server judges them once more. */
export function keyTrouble(said: string): string | undefined {
  for (const [at, line] of said.split('\n').entries()) {
    if (/PRIVATE KEY/.test(line)) return words.keyPrivate(at + 1);
    if (line.trim() && !isKey(line.trim())) return words.keyWrong(at + 1);
  }
  return undefined;
}

/** RFC 4253, 6.6: the blob begins with the length and name of its kind. */
function isKey(line: string): boolean {
  const [, kind, blob] = KEY.exec(line) ?? [];
  if (!kind || !blob || blob.length % 4 !== 0) return false;
  const bytes = atob(blob);
  return bytes.length > kind.length + 4 && bytes.charCodeAt(3) === kind.length && bytes.slice(4, 4 + kind.length) === kind;
}
