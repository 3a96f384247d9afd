import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { cleanup, fireEvent, screen, waitFor } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { type VirtualMachine, VirtualMachineSchema, VMService, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';
import DiskCard from '@/pages/vm/DiskCard';
import { rendered, Stream, transport } from './support';

afterEach(cleanup);

interface Asked {
  grown: bigint[];
  rebased: boolean[];
  reverted: string[];
  removed: string[];
  cancelled: number;
}

function shown(state: State, more: object = {}, newer = ''): Asked {
  const vm: VirtualMachine = create(VirtualMachineSchema, {
    id: 'vm-1',
    name: 'web',
    status: { state, imageId: 'img-1', imageName: 'debian', imageDigest: 'sha256:a', diskBytes: 10n * 1024n ** 3n, ...more },
  });
  const asked: Asked = { grown: [], rebased: [], reverted: [], removed: [], cancelled: 0 };
  const server = transport(new Stream(), (router) => {
    const { method } = VMService;
    router.rpc(method.growDisk, ({ sizeGib }) => { asked.grown.push(sizeGib); return vm; });
    router.rpc(method.revertToSnapshot, ({ name }) => { asked.reverted.push(name); return vm; });
    router.rpc(method.deleteSnapshot, ({ name }) => { asked.removed.push(name); return {}; });
    router.rpc(method.cancelDiskTask, () => { asked.cancelled += 1; return vm; });
    router.rpc(method.rebaseVM, ({ dryRun }) => {
      if (!newer) throw new ConnectError('on it already', Code.FailedPrecondition);
      if (!dryRun) asked.rebased.push(true);
      return { vm, toTitle: newer };
    });
  });
  rendered(<DiskCard vm={vm} />, server);
  return asked;
}

const button = (name: string): HTMLButtonElement => screen.getByRole('button', { name });
const within = (name: string): HTMLElement => {
  const found = screen.getAllByRole('button', { name }).at(-1);
  if (!found) throw new Error(`there is no button ${name}`);
  return found;
};

test('a VM that runs can be grown, and nothing else', async () => {
  const asked = shown(State.RUNNING, {}, 'debian@2');
  expect(button('Flatten').disabled).toBe(true);
  expect(button('Take a snapshot').disabled).toBe(true);
  expect(screen.queryByRole('button', { name: 'Rebase' })).toBeNull();
  fireEvent.click(button('Grow'));
  fireEvent.change(await screen.findByLabelText('New size in GiB'), { target: { value: '10' } });
  expect((within('Grow') as HTMLButtonElement).disabled).toBe(true);
  fireEvent.change(screen.getByLabelText('New size in GiB'), { target: { value: '25' } });
  fireEvent.click(within('Grow'));
  await waitFor(() => expect(asked.grown).toEqual([25n]));
});

test('a rebase is offered only where there is something newer', async () => {
  const asked = shown(State.STOPPED, {}, 'debian@2');
  fireEvent.click(await screen.findByRole('button', { name: 'Rebase' }));
  fireEvent.click(await screen.findByRole('button', { name: 'Begin' }));
  await waitFor(() => expect(asked.rebased).toEqual([true]));
});

test('what is lost is asked for by its name', async () => {
  const asked = shown(State.STOPPED, { snapshots: [{ name: 'monday', sizeBytes: 1n, imageName: 'debian' }] });
  fireEvent.click(button('Go back to monday'));
  const confirm = await screen.findByLabelText('Type web to confirm');
  expect((within('Revert') as HTMLButtonElement).disabled).toBe(true);
  fireEvent.change(confirm, { target: { value: 'web' } });
  fireEvent.click(within('Revert'));
  await waitFor(() => expect(asked.reverted).toEqual(['monday']));
  await waitFor(() => expect(screen.queryByLabelText('Type web to confirm')).toBeNull());
  fireEvent.click(button('Delete the snapshot monday'));
  fireEvent.change(await screen.findByLabelText('Type monday to confirm'), { target: { value: 'monday' } });
  fireEvent.click(within('Delete'));
  await waitFor(() => expect(asked.removed).toEqual(['monday']));
});

test('work that goes on is shown, keeps the rest away and can be cancelled', async () => {
  const asked = shown(State.STOPPED, { diskTask: { kind: 'rebase', state: 'running', percent: 40 } }, 'debian@2');
  expect(screen.getByText('Rebasing: 40 %')).toBeTruthy();
  expect(button('Grow').disabled && button('Flatten').disabled).toBe(true);
  fireEvent.click(button('Cancel the work on the disk'));
  await waitFor(() => expect(asked.cancelled).toBe(1));
});

test('work that failed says why', () => {
  shown(State.STOPPED, { diskTask: { kind: 'snapshot', state: 'failed', errorMessage: 'No space.', errorRemedy: 'Make some.' } });
  expect(screen.getByText(/No space\. Make some\./)).toBeTruthy();
});
