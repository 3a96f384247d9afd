import { useMutation, useQuery } from '@connectrpc/connect-query';
import { VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { ImageService } from '@/gen/limiquantix/storage/v1/image_pb';

/** What of the VM's own is on its disk: looked at anew each time somebody wants to capture it. */
export function useCaptureAudit(vmId: string) {
  return useQuery(VMService.method.preflightCapture, { vmId }, { gcTime: 0, staleTime: Infinity, retry: false });
}

export function useCaptureTemplate() {
  return useMutation(ImageService.method.captureTemplate);
}
