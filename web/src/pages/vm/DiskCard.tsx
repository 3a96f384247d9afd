import { Button, Card, Group, Progress, Stack, Table, Text, Title } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { ErrorNote } from '@/components/Notes';
import type { Snapshot, VirtualMachine as Vm } from '@/gen/limiquantix/compute/v1/vm_pb';
import { formatMoment } from '@/hooks/format';
import { isAtRest, isWorkedOn, useDiskActions, useNewerBase } from '@/hooks/useDisks';
import { formatImageSize } from '@/hooks/useImages';
import { ConfirmDialog, DestroyDialog, GrowDialog, SnapshotDialog } from '@/pages/vm/DiskDialogs';
import { text } from '@/text/en';
import { disksText as words } from '@/text/disks';

const GIB = 1024n ** 3n;

type Asked = { what: 'grow' | 'flatten' | 'rebase' | 'snapshot' } | { what: 'revert' | 'remove'; snapshot: string };

/** A VM's disk: how large it is, what it is built on, what is being done with it, and what was kept of it. */
export default function DiskCard({ vm }: { vm: Vm }): ReactNode {
  const [asked, setAsked] = useState<Asked>();
  const newer = useNewerBase(vm);
  const { status } = vm;
  const busy = isWorkedOn(vm);
  const free = isAtRest(vm) && !busy;
  const size = status?.diskBytes ?? 0n;
  const why = free || busy ? undefined : words.stopFirst;
  return (
    <Card withBorder component="section" aria-label={words.title}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={2} size="h5">{words.title}</Title>
          <Group gap="xs">
            <Button size="xs" variant="default" disabled={busy} onClick={() => setAsked({ what: 'grow' })}>{words.grow}</Button>
            {status?.imageId && <Button size="xs" variant="default" disabled={!free} title={why} onClick={() => setAsked({ what: 'flatten' })}>{words.flatten}</Button>}
            {newer && <Button size="xs" variant="light" onClick={() => setAsked({ what: 'rebase' })}>{words.rebase}</Button>}
            <Button size="xs" variant="default" disabled={!free} title={why} onClick={() => setAsked({ what: 'snapshot' })}>{words.create}</Button>
          </Group>
        </Group>
        <Text size="sm">
          {size ? formatImageSize(size) : words.unknownSize}
          {' · '}
          {`${words.needs} ${status?.imageId ? status.imageName : words.needsNothing}`}
        </Text>
        {newer && <Text size="sm">{words.rebaseTo(newer.title)}</Text>}
        <Task vm={vm} />
        <Title order={3} size="h6">{words.snapshots}</Title>
        <Snapshots snapshots={status?.snapshots ?? []} free={free} busy={busy} ask={setAsked} />
      </Stack>
      {asked && <Asking vm={vm} asked={asked} newer={newer?.title ?? ''} close={() => setAsked(undefined)} />}
    </Card>
  );
}

function Task({ vm }: { vm: Vm }): ReactNode {
  const { cancel } = useDiskActions();
  const task = vm.status?.diskTask;
  if (!task || task.state === 'done') return null;
  if (task.state === 'failed') return <ErrorNote error={`${task.errorMessage} ${task.errorRemedy}`} title={words.failed(task.kind)} />;
  if (task.state === 'cancelled') return <Text size="sm" c="dimmed">{words.cancelled(task.kind)}</Text>;
  const label = words.task[task.kind] ?? task.kind;
  return (
    <Stack gap={4}>
      <Group justify="space-between">
        <Text size="sm" aria-live="polite">{`${label}: ${task.percent} %`}</Text>
        {task.kind !== 'capture' && <Button size="xs" variant="default" aria-label={words.cancel} loading={cancel.isPending} onClick={() => cancel.mutate({ id: vm.id })}>{text.cancel}</Button>}
      </Group>
      <Progress value={task.percent} aria-label={label} />
      <ErrorNote error={cancel.error} />
    </Stack>
  );
}

function Snapshots({ snapshots, free, busy, ask }: { snapshots: readonly Snapshot[]; free: boolean; busy: boolean; ask: (asked: Asked) => void }): ReactNode {
  if (snapshots.length === 0) return <Text size="sm" c="dimmed">{words.noSnapshots}</Text>;
  const { columns } = words;
  return (
    <Table.ScrollContainer minWidth={520}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{columns.name}</Table.Th>
            <Table.Th>{columns.created}</Table.Th>
            <Table.Th>{columns.size}</Table.Th>
            <Table.Th>{columns.image}</Table.Th>
            <Table.Th>{columns.actions}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {snapshots.map((one) => (
            <Table.Tr key={one.name}>
              <Table.Td>
                {one.name}
                {one.expiresAt && <Text size="xs" c="dimmed">{words.until(formatMoment(one.expiresAt))}</Text>}
              </Table.Td>
              <Table.Td>{formatMoment(one.createdAt)}</Table.Td>
              <Table.Td>{formatImageSize(one.sizeBytes)}</Table.Td>
              <Table.Td>{one.imageName || text.unknown}</Table.Td>
              <Table.Td>
                <Group gap="xs" wrap="nowrap">
                  <Button size="xs" variant="default" disabled={!free} aria-label={words.revert(one.name)} onClick={() => ask({ what: 'revert', snapshot: one.name })}>{words.revertShort}</Button>
                  <Button size="xs" variant="light" color="red" disabled={busy} aria-label={words.remove(one.name)} onClick={() => ask({ what: 'remove', snapshot: one.name })}>{text.remove}</Button>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Asking({ vm, asked, newer, close }: { vm: Vm; asked: Asked; newer: string; close: () => void }): ReactNode {
  const { grow, flatten, rebase, snapshot, revert, remove } = useDiskActions();
  const { id, name } = vm;
  const done = { onSuccess: close };
  switch (asked.what) {
    case 'grow':
      return <GrowDialog title={words.growTitle(name)} now={Number((vm.status?.diskBytes ?? 0n) / GIB)} close={close} busy={grow.isPending} error={grow.error} confirm={(gib) => grow.mutate({ id, sizeGib: BigInt(gib) }, done)} />;
    case 'flatten':
      return <ConfirmDialog title={words.flattenTitle(name)} hint={words.flattenHint} close={close} busy={flatten.isPending} error={flatten.error} confirm={() => flatten.mutate({ id }, done)} />;
    case 'rebase':
      return <ConfirmDialog title={words.rebaseTitle(name)} hint={`${words.rebaseTo(newer)}. ${words.rebaseHint}`} close={close} busy={rebase.isPending} error={rebase.error} confirm={() => rebase.mutate({ id }, done)} />;
    case 'snapshot':
      return <SnapshotDialog title={words.createTitle(name)} close={close} busy={snapshot.isPending} error={snapshot.error} confirm={(chosen) => snapshot.mutate({ id, name: chosen }, done)} />;
    case 'revert':
      return <DestroyDialog title={words.revert(asked.snapshot)} hint={words.revertHint} typed={name} action={words.revertShort} close={close} busy={revert.isPending} error={revert.error} confirm={() => revert.mutate({ id, name: asked.snapshot }, done)} />;
    case 'remove':
      return <DestroyDialog title={words.remove(asked.snapshot)} hint={words.removeHint} typed={asked.snapshot} action={text.remove} close={close} busy={remove.isPending} error={remove.error} confirm={() => remove.mutate({ id, name: asked.snapshot }, done)} />;
  }
}
