import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { cleanup } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { fetchSeconds } from '@/components/vm/fetching';
import { VirtualMachineSchema, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { type ImportStatus, ImportStatus_Status as Status, ImportStatusSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import { useLibrary } from '@/api/library';
import { useCreateVm, useNodes, useVm } from '@/hooks/useMachines';
import { renderedHook, Stream, transport } from './support';

afterEach(cleanup);

/** A server that answers with each of these in turn, and the keys that it was shown. */
function server(...answers: (ConnectError | undefined)[]) {
  const keys: string[] = [];
  const answering = transport(new Stream(), (router) => {
    router.rpc(VMService.method.createVM, (_request, context) => {
      keys.push(context.requestHeader.get('Idempotency-Key') ?? '');
      const answer = answers[keys.length - 1];
      if (answer) throw answer;
      return create(VirtualMachineSchema, { id: 'vm-1' });
    });
  });
  return { keys, hook: renderedHook(() => useCreateVm(), answering).result };
}

test('a VM whose answer was lost is asked for again under the same key', async () => {
  const { keys, hook } = server(new ConnectError('away', Code.Unavailable));
  expect((await hook.current.mutateAsync({ vm: { name: 'web-1' }, count: 1 }))[0]?.vm?.id).toBe('vm-1');
  expect(keys).toHaveLength(2);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys[1]).toBe(keys[0]);
});

test('asked twice at once it is one call, and another VM is another', async () => {
  const { keys, hook } = server();
  await Promise.all([hook.current.mutateAsync({ vm: { name: 'web-1' }, count: 1 }), hook.current.mutateAsync({ vm: { name: 'web-1' }, count: 1 })]);
  await hook.current.mutateAsync({ vm: { name: 'web-2' }, count: 1 });
  expect([keys.length, new Set(keys).size, keys[0] === keys[1]]).toEqual([3, 2, true]);
});

test('what was refused is asked for anew', async () => {
  const { keys, hook } = server(new ConnectError('no room', Code.FailedPrecondition));
  await expect(hook.current.mutateAsync({ vm: { name: 'web-1' }, count: 1 })).rejects.toThrow('no room');
  await hook.current.mutateAsync({ vm: { name: 'web-1' }, count: 1 });
  expect(new Set(keys).size).toBe(2);
});

test('nodes that were told before the rest are there when all has been told', async () => {
  const stream = new Stream();
  const { result } = renderedHook(() => ({ told: useLibrary().nodes.length, ...useNodes() }), transport(stream));
  stream.say({ sequence: 1n, change: { case: 'node', value: { id: 'n1', hostname: 'box' } } });
  await vi.waitFor(() => expect(result.current.told).toBe(1));
  stream.say({ sequence: 1n, change: { case: 'upToDate', value: true } });
  await vi.waitFor(() => expect(result.current.nodes.map(({ hostname }) => hostname)).toEqual(['box']));
});

test('a VM is what the stream says, is asked for before that, and is gone when it is', async () => {
  const stream = new Stream();
  let asked = 0;
  const answering = transport(stream, (router) => {
    router.rpc(VMService.method.getVM, ({ id }) => {
      asked += 1;
      if (asked > 1) throw new ConnectError('There is no VM.', Code.NotFound);
      return create(VirtualMachineSchema, { id, name: 'asked' });
    });
  });
  const { result } = renderedHook(() => useVm('vm-1'), answering);
  await vi.waitFor(() => expect(result.current.vm?.name).toBe('asked'));
  stream.say({ sequence: 1n, change: { case: 'vm', value: { id: 'vm-1', name: 'told' } } }, { sequence: 1n, change: { case: 'upToDate', value: true } });
  await vi.waitFor(() => expect(result.current.vm?.name).toBe('told'));
  stream.say({ sequence: 2n, change: { case: 'removed', value: { kind: 'vm', id: 'vm-1' } } });
  await vi.waitFor(() => expect(result.current.vm).toBeUndefined());
  expect(asked).toBe(2);
});

function job(seconds: number, part: { nodeId?: string; status?: Status; kind?: string } = {}): ImportStatus {
  return create(ImportStatusSchema, { kind: 'download', nodeId: 'n1', status: Status.COMPLETED, bytesTotal: 100n, createdAt: { seconds: 1000n }, updatedAt: { seconds: 1000n + BigInt(seconds) }, ...part });
}

test('how long fetching takes follows from what the node fetched before', () => {
  expect(fetchSeconds([job(10), job(20), job(50)], 'n1', 1000n)).toBe(200);
  expect(fetchSeconds([job(0), job(10, { nodeId: 'n2' }), job(10, { status: Status.FAILED }), job(10, { kind: 'convert' })], 'n1', 1000n)).toBeUndefined();
  expect(fetchSeconds([job(10)], 'n1', 0n)).toBeUndefined();
});
