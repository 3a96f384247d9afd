import { Alert, Button, Checkbox, FileButton, Group, NativeSelect, Skeleton, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { type ReactNode, Suspense } from 'react';
import { later } from '@/components/later';
import { CORES, countOf, DISK_GIB, type DatasourceChoice, type Draft, type FirmwareChoice, keyTrouble, MEMORY_MIB, MOST_VMS, userOf } from '@/components/vm/draft';
import { fetchSeconds } from '@/components/vm/fetching';
import { toldBy } from '@/components/vm/windows';
import { formatImageSize, useAvailableImages, useJobs } from '@/hooks/useImages';
import { UserDataRule } from '@/gen/limiquantix/compute/v1/profile_pb';
import { ImageSpec_Format } from '@/gen/limiquantix/storage/v1/image_pb';
import { formatSeconds } from '@/hooks/format';
import { useNodes } from '@/hooks/useMachines';
import { wizardText as words } from '@/text/wizard';

// The editor is large, and most VMs are made without it.
const UserData = later(() => import('@/components/vm/yaml/UserData'));
const ProfileChoice = later(() => import('@/components/vm/ProfileChoice'));
const WindowsAnswers = later(() => import('@/components/vm/WindowsAnswers'));

export interface StepProps {
  draft: Draft;
  change: (draft: Draft) => void;
}

const MIB = 1024n ** 2n;
const GIB = 1024n ** 3n;
const choices = (labels: Readonly<Record<string, string>>) => Object.entries(labels).map(([value, label]) => ({ value, label }));
const size = (count: number, unit: bigint): string => formatImageSize(BigInt(count) * unit);

/** Its name, how large it is, and where it runs. */
export function MachineStep({ draft, change }: StepProps): ReactNode {
  const { nodes } = useNodes();
  const { jobs } = useJobs();
  const { images } = useAvailableImages();
  const discs = images.filter(({ image }) => image?.spec?.format === ImageSpec_Format.ISO);
  const held = new Set(draft.image?.image?.status?.placements.filter(({ state }) => state === 'ready').map(({ nodeId }) => nodeId));
  const bytes = draft.image?.sizeBytes ?? 0n;
  const places = nodes.map(({ id, hostname }) => {
    if (held.has(id)) return { value: id, label: words.nodeHas(hostname) };
    const seconds = fetchSeconds(jobs, id, bytes);
    return { value: id, label: words.nodeFetches(hostname, bytes ? formatImageSize(bytes) : '', seconds === undefined ? '' : formatSeconds(seconds)) };
  });
  return (
    <Stack>
      <TextInput label={words.name} description={words.nameHint} required withAsterisk={false} value={draft.name} onChange={(event) => change({ ...draft, name: event.currentTarget.value })} />
      <TextInput label={words.count} description={words.countHint(MOST_VMS)} inputMode="numeric" error={countOf(draft) === undefined ? words.countWrong(MOST_VMS) : undefined} value={draft.count} onChange={(event) => change({ ...draft, count: event.currentTarget.value })} />
      <NativeSelect label={words.cores} value={draft.cores} data={CORES.map(String)} onChange={(event) => change({ ...draft, cores: Number(event.currentTarget.value) })} />
      <NativeSelect label={words.memory} value={draft.memoryMib} data={MEMORY_MIB.map((mib) => ({ value: String(mib), label: size(mib, MIB) }))} onChange={(event) => change({ ...draft, memoryMib: Number(event.currentTarget.value) })} />
      <NativeSelect label={words.disk} description={words.diskHint} value={draft.diskGib} data={DISK_GIB.map((gib) => ({ value: String(gib), label: gib ? size(gib, GIB) : words.diskAsImage }))} onChange={(event) => change({ ...draft, diskGib: Number(event.currentTarget.value) })} />
      <NativeSelect label={words.node} value={draft.nodeId} data={[{ value: '', label: words.nodeAny }, ...places]} onChange={(event) => change({ ...draft, nodeId: event.currentTarget.value })} />
      <NativeSelect label={words.firmware} description={words.firmwareHint} value={draft.firmware} data={choices(words.firmwares)} onChange={(event) => change({ ...draft, firmware: event.currentTarget.value as FirmwareChoice })} />
      <Checkbox label={words.tpm} description={words.tpmHint} checked={draft.tpm} onChange={(event) => change({ ...draft, tpm: event.currentTarget.checked })} />
      <NativeSelect label={words.cpuModel} description={words.cpuModelHint} value={draft.cpuModel} data={choices(words.cpuModels)} onChange={(event) => change({ ...draft, cpuModel: event.currentTarget.value })} />
      <NativeSelect label={words.devices} description={words.devicesHint} value={draft.devices} data={choices(words.deviceKinds)} onChange={(event) => change({ ...draft, devices: event.currentTarget.value })} />
      {discs.length > 0 && <NativeSelect label={words.driverIso} description={words.driverIsoHint} value={draft.driverIso} data={[{ value: '', label: words.driverIsoNone }, ...discs.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(event) => change({ ...draft, driverIso: event.currentTarget.value })} />}
    </Stack>
  );
}

/** What the guest is told: Windows Setup by its answers, everything else in cloud-init's way. */
export function BootStep({ draft, change }: StepProps): ReactNode {
  return (
    <Suspense fallback={<Skeleton height={190} />}>
      {toldBy(draft.image) === 'answers' ? <WindowsAnswers draft={draft} change={change} /> : <CloudInit draft={draft} change={change} />}
    </Suspense>
  );
}

function CloudInit({ draft, change }: StepProps): ReactNode {
  const windows = toldBy(draft.image) === 'cloudbase';
  const addKeys = (file: File | null): void => {
    void file?.text().then((text) => change({ ...draft, keys: [draft.keys.trim(), text.trim()].filter(Boolean).join('\n') }));
  };
  return (
    <Stack>
      {windows && <Text size="sm" c="dimmed">{words.cloudbase}</Text>}
      <ProfileChoice draft={draft} change={change} />
      <TextInput label={words.hostname} description={words.hostnameHint} value={draft.hostname ?? draft.name} onChange={(event) => change({ ...draft, hostname: event.currentTarget.value })} />
      <TextInput label={words.user} description={words.userHint} value={userOf(draft)} onChange={(event) => change({ ...draft, user: event.currentTarget.value })} />
      <Textarea label={words.keys} description={words.keysHint} error={keyTrouble(draft.keys)} rows={4} spellCheck={false} value={draft.keys} onChange={(event) => change({ ...draft, keys: event.currentTarget.value })} />
      <Group>
        <FileButton onChange={addKeys} accept=".pub,text/plain">
          {(props) => <Button {...props} size="xs" variant="default">{words.keysFile}</Button>}
        </FileButton>
      </Group>
      {!windows && <TextInput type="password" autoComplete="new-password" label={words.password} description={words.passwordHint} value={draft.password} onChange={(event) => change({ ...draft, password: event.currentTarget.value })} />}
      {!draft.keys.trim() && !draft.password && !draft.userData.trim() && !draft.profile && <Alert color="orange" variant="light">{words.noWayIn}</Alert>}
      {!windows && (
        <>
          <TextInput label={words.packages} description={words.packagesHint} value={draft.packages} onChange={(event) => change({ ...draft, packages: event.currentTarget.value })} />
          <Checkbox label={words.agent} description={words.agentHint} checked={draft.agent} onChange={(event) => change({ ...draft, agent: event.currentTarget.checked })} />
          <NativeSelect label={words.datasource} description={words.datasourceHint} value={draft.datasource} data={choices(words.datasources)} onChange={(event) => change({ ...draft, datasource: event.currentTarget.value as DatasourceChoice })} />
        </>
      )}
      {draft.profile?.userDataRule === UserDataRule.DENY ? null : <UserData draft={draft} change={change} />}
    </Stack>
  );
}
