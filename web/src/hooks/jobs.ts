import { type ImportStatus, ImportStatus_Status as Status } from '@/gen/limiquantix/storage/v1/image_pb';

export function isLive(job: ImportStatus): boolean {
  return job.status !== Status.COMPLETED && job.status !== Status.FAILED;
}

export function isCancelled(job: ImportStatus): boolean {
  return job.stage === 'cancelled';
}

export function hasFailed(job: ImportStatus): boolean {
  return job.status === Status.FAILED && !isCancelled(job);
}

/** The newest of them: what a card or a row tells of. Jobs come newest first. */
export function newestJob(jobs: readonly ImportStatus[], of: (job: ImportStatus) => boolean): ImportStatus | undefined {
  return jobs.find((job) => of(job) && isLive(job)) ?? jobs.find(of);
}
