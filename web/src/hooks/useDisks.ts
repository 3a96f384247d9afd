import { useMutation, useQuery } from '@connectrpc/connect-query';
import { useQueryClient } from '@tanstack/react-query';
import { methodOf } from '@/api/library';
import { type VirtualMachine, VMService, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';

const READS: ReadonlySet<string> = new Set(['ListVMs', 'GetVM', 'GetImageUsage', 'RebaseVM']);

/** What is done with a VM's disk; the VM is asked for again at once. */
export function useDiskActions() {
  const client = useQueryClient();
  const onSuccess = (): void => void client.invalidateQueries({ predicate: ({ queryKey }) => READS.has(methodOf(queryKey)) });
  return {
    grow: useMutation(VMService.method.growDisk, { onSuccess }),
    flatten: useMutation(VMService.method.flattenDisk, { onSuccess }),
    rebase: useMutation(VMService.method.rebaseVM, { onSuccess }),
    snapshot: useMutation(VMService.method.createSnapshot, { onSuccess }),
    revert: useMutation(VMService.method.revertToSnapshot, { onSuccess }),
    remove: useMutation(VMService.method.deleteSnapshot, { onSuccess }),
    cancel: useMutation(VMService.method.cancelDiskTask, { onSuccess }),
  };
}

/** The version that a stopped VM's disk could be put on; undefined where there is none. */
export function useNewerBase(vm: VirtualMachine): { title: string; id: string } | undefined {
  const enabled = isAtRest(vm) && Boolean(vm.status?.imageDigest) && !isWorkedOn(vm);
  // It says no by an error: nothing to be told of.
  const query = useQuery(VMService.method.rebaseVM, { id: vm.id, dryRun: true }, { enabled, retry: false, staleTime: 30_000 });
  return enabled && query.data ? { title: query.data.toTitle, id: query.data.toImageId } : undefined;
}

export function isAtRest(vm: VirtualMachine): boolean {
  return vm.status?.state === State.STOPPED || vm.status?.state === State.CRASHED;
}

/** Whether long work on its disk goes on. */
export function isWorkedOn(vm: VirtualMachine): boolean {
  return vm.status?.diskTask?.state === 'running';
}
