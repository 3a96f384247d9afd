import { create, type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { useMutation, useQuery, useTransport } from '@connectrpc/connect-query';
import { useMutation as usePlainMutation, useQueryClient } from '@tanstack/react-query';
import { useMemo, useRef } from 'react';
import { isUnreachable } from '@/api/errors';
import { newKey } from '@/api/keys';
import { EVERYTHING, methodOf, useConnection, useLibrary } from '@/api/library';
import { type Node, NodeService } from '@/gen/limiquantix/compute/v1/node_pb';
import { CreateVMRequestSchema, type VirtualMachine, VMService, VmStatus_PowerState } from '@/gen/limiquantix/compute/v1/vm_pb';
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

/** Every VM. The stream does not tell of VMs: they are asked for, more often while one is on its way. */
export function useVms() {
  const query = useQuery(VMService.method.listVMs, EVERYTHING, {
    refetchInterval: ({ state }) => (state.data?.vms.some(isChanging) ? 1_000 : POLL),
  });
  return { vms: query.data?.vms ?? [], isLoading: query.isPending, error: query.error, refetch: query.refetch };
}

export function useVm(id: string) {
  const query = useQuery(VMService.method.getVM, { id }, {
    refetchInterval: ({ state }) => (state.data && !isChanging(state.data) ? POLL : 1_000),
  });
  return { vm: query.data, isLoading: query.isPending, error: query.error, refetch: query.refetch };
}

export function isChanging(vm: VirtualMachine): boolean {
  const state = vm.status?.state;
  const booting = state === VmStatus_PowerState.RUNNING && vm.status?.stage !== 'done';
  return state === VmStatus_PowerState.PROVISIONING || booting || vm.status?.diskTask?.state === 'running';
}

/** Start, stop, restart and delete; lists are asked for again at once. */
export function useVmActions() {
  const client = useQueryClient();
  const onSuccess = (): void => void client.invalidateQueries({ predicate: ({ queryKey }) => VM_READS.has(methodOf(queryKey)) });
  return {
    start: useMutation(VMService.method.startVM, { onSuccess }),
    stop: useMutation(VMService.method.stopVM, { onSuccess }),
    restart: useMutation(VMService.method.rebootVM, { onSuccess }),
    remove: useMutation(VMService.method.deleteVM, { onSuccess }),
  };
}

/**
 * Making a VM. The same request carries the same key until it is answered: pressed twice, or sent again because
 * the answer was lost, it makes one.
 */
export function useCreateVm() {
  const transport = useTransport();
  const client = useQueryClient();
  const sent = useRef({ request: '', key: '' });
  return usePlainMutation({
    mutationFn: (request: MessageInitShape<typeof CreateVMRequestSchema>) => {
      const said = toJsonString(CreateVMRequestSchema, create(CreateVMRequestSchema, request));
      if (sent.current.request !== said) sent.current = { request: said, key: newKey() };
      return createClient(VMService, transport).createVM(request, { headers: { 'Idempotency-Key': sent.current.key } });
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
