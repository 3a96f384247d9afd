import { create, type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { useMutation, useQuery, useTransport } from '@connectrpc/connect-query';
import { useMutation as usePlainMutation, useQueryClient } from '@tanstack/react-query';
import { useMemo, useRef } from 'react';
import { isUnreachable } from '@/api/errors';
import { newKey } from '@/api/keys';
import { EVERYTHING, methodOf, useConnection, useLibrary } from '@/api/library';
import { type Node, NodeService } from '@/gen/limiquantix/compute/v1/node_pb';
import { type CreatedVM, CreatedVMSchema, type CreateVMRequestSchema, CreateVMsRequestSchema, type VirtualMachine, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { StoragePoolService } from '@/gen/limiquantix/storage/v1/pool_pb';

const POLL = 4_000;
const VM_READS: ReadonlySet<string> = new Set(['ListVMs', 'GetVM', 'GetImageUsage']);

/** Every node, kept current by the tab's stream. */
export function useNodes() {
  const { complete } = useLibrary();
  const connection = useConnection();
  const query = useQuery(NodeService.method.listNodes, EVERYTHING, { enabled: connection === 'lost', refetchInterval: POLL });
  const nodes: readonly Node[] = useMemo(() => query.data?.nodes ?? [], [query.data]);
  return { nodes, isLoading: !query.data && !complete && connection !== 'lost', error: query.error };
}

export function usePools() {
  const query = useQuery(StoragePoolService.method.listPools, EVERYTHING, { refetchInterval: 3 * POLL });
  return { pools: query.data?.pools ?? [], isLoading: query.isPending, error: query.error, refetch: query.refetch };
}

/** Every VM, kept current by the tab's stream; asked for again and again while that is down. */
export function useVms() {
  const { complete } = useLibrary();
  const connection = useConnection();
  const query = useQuery(VMService.method.listVMs, EVERYTHING, { enabled: connection === 'lost', refetchInterval: POLL });
  const vms: readonly VirtualMachine[] = useMemo(() => query.data?.vms ?? [], [query.data]);
  return { vms, isLoading: !query.data && !complete && connection !== 'lost', error: query.error, refetch: query.refetch };
}

/** One VM, by its id or name: told by the stream; asked for once where that does not know it (yet, or any more). */
export function useVm(id: string) {
  const { vms } = useVms();
  const told = vms.find((vm) => vm.id === id || vm.name === id);
  const query = useQuery(VMService.method.getVM, { id }, { enabled: !told, staleTime: 0 });
  const asked = query.error ? undefined : query.data;
  return { vm: told ?? asked, isLoading: !told && query.isPending, error: query.error, refetch: query.refetch };
}

/** Start, stop and delete; lists are asked for again at once. */
export function useVmActions() {
  const client = useQueryClient();
  const onSuccess = (): void => void client.invalidateQueries({ predicate: ({ queryKey }) => VM_READS.has(methodOf(queryKey)) });
  return {
    start: useMutation(VMService.method.startVM, { onSuccess }),
    stop: useMutation(VMService.method.stopVM, { onSuccess }),
    remove: useMutation(VMService.method.deleteVM, { onSuccess }),
  };
}

/**
 * Making one VM or several alike. The same request carries the same key until it is answered: pressed twice, or sent again because
 * the answer was lost, it makes them once.
 */
export function useCreateVm() {
  const transport = useTransport();
  const client = useQueryClient();
  const sent = useRef({ request: '', key: '' });
  return usePlainMutation({
    mutationFn: async ({ vm, count }: { vm: MessageInitShape<typeof CreateVMRequestSchema>; count: number }): Promise<CreatedVM[]> => {
      const request = create(CreateVMsRequestSchema, { vm, count });
      const said = toJsonString(CreateVMsRequestSchema, request);
      if (sent.current.request !== said) sent.current = { request: said, key: newKey() };
      const calls = createClient(VMService, transport);
      const headers = { 'Idempotency-Key': sent.current.key };
      // A single one keeps the name that it was given.
      if (count > 1) return (await calls.createVMs(request, { headers })).vms;
      const made = await calls.createVM(vm, { headers });
      return [create(CreatedVMSchema, { name: made.name, vm: made })];
    },
    retry: (count, error) => count < 4 && isUnreachable(error),
    retryDelay: (count) => 500 * 2 ** count,
    onError: (error) => {
      // A refusal is kept under its key; what is mended meanwhile deserves another answer.
      if (!isUnreachable(error)) sent.current = { request: '', key: '' };
    },
    onSuccess: () => void client.invalidateQueries({ predicate: ({ queryKey }) => VM_READS.has(methodOf(queryKey)) }),
  });
}
