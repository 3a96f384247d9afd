import { useMutation, useQuery } from '@connectrpc/connect-query';
import { useQueryClient } from '@tanstack/react-query';
import { EVERYTHING, methodOf } from '@/api/library';
import { type Profile, ProfileService } from '@/gen/limiquantix/compute/v1/profile_pb';

const NONE: readonly Profile[] = [];

/** Every profile, newest first. They change by people only: asked for when a page needs them. */
export function useProfiles() {
  const query = useQuery(ProfileService.method.listProfiles, EVERYTHING);
  return { profiles: query.data?.profiles ?? NONE, isLoading: query.isPending, error: query.error, refetch: query.refetch };
}

export function useProfileActions() {
  const client = useQueryClient();
  const onSuccess = (): void => void client.invalidateQueries({ predicate: ({ queryKey }) => methodOf(queryKey) === 'ListProfiles' });
  return {
    create: useMutation(ProfileService.method.createProfile, { onSuccess }),
    remove: useMutation(ProfileService.method.deleteProfile, { onSuccess }),
  };
}
