import { Badge, Button, Group, Stack } from '@mantine/core';
import { IconPlayerPlay, IconPlayerStop, IconTrash } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { ErrorNote } from '@/components/Notes';
import { type VirtualMachine, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';
import { useVmActions } from '@/hooks/useMachines';
import { text } from '@/text/en';

const words = text.vms;
const COLORS: Partial<Record<State, string>> = {
  [State.RUNNING]: 'teal',
  [State.PROVISIONING]: 'indigo',
  [State.CRASHED]: 'red',
  [State.LOST]: 'red',
};

export function VmState({ vm }: { vm: VirtualMachine }): ReactNode {
  const state = vm.status?.state ?? State.UNKNOWN;
  return (
    <Badge variant="light" tt="none" color={COLORS[state] ?? 'gray'}>
      {words.state[state]}
    </Badge>
  );
}

/** Start, stop and delete; what goes wrong stands beside them. */
export function VmActions({ vm, deleted }: { vm: VirtualMachine; deleted?: () => void }): ReactNode {
  const { start, stop, remove } = useVmActions();
  const [asking, setAsking] = useState(false);
  const state = vm.status?.state;
  return (
    <Stack gap="xs">
      <Group gap="xs" wrap="nowrap">
        {state === State.STOPPED || state === State.CRASHED ? (
          <Button size="xs" variant="default" leftSection={<IconPlayerPlay size={14} aria-hidden />} aria-label={words.startName(vm.name)} loading={start.isPending} onClick={() => start.mutate({ id: vm.id })}>
            {words.start}
          </Button>
        ) : (
          <Button size="xs" variant="default" leftSection={<IconPlayerStop size={14} aria-hidden />} aria-label={words.stopName(vm.name)} loading={stop.isPending} disabled={state !== State.RUNNING} onClick={() => stop.mutate({ id: vm.id })}>
            {words.stop}
          </Button>
        )}
        <Button size="xs" variant="light" color="red" leftSection={<IconTrash size={14} aria-hidden />} aria-label={words.deleteName(vm.name)} onClick={() => setAsking(true)}>
          {text.remove}
        </Button>
      </Group>
      <ErrorNote error={start.error ?? stop.error} />
      {asking && (
        <ConfirmDelete
          title={words.deleteName(vm.name)}
          warning={words.warning}
          name={vm.name}
          busy={remove.isPending}
          error={remove.error}
          close={() => setAsking(false)}
          confirm={() => remove.mutate({ id: vm.id, force: true, deleteVolumes: true }, { onSuccess: () => { setAsking(false); deleted?.(); } })}
        />
      )}
    </Stack>
  );
}
