import { type ImportStatus, ImportStatus_Status as Status } from '@/gen/limiquantix/storage/v1/image_pb';
import { toDate } from '@/hooks/format';

const FETCHING: ReadonlySet<string> = new Set(['download', 'import', 'place']);
// Of so many earlier ones the middle one counts: one that waited long says little.
const MOST = 7;
// Quicker than that tells of nothing but how long a job takes to begin and to end.
const LEAST_SECONDS = 1;

/** About how long it takes to fetch so many bytes to a node, from the last that it fetched; undefined: not known. */
export function fetchSeconds(jobs: readonly ImportStatus[], nodeId: string, bytes: bigint): number | undefined {
  const done = jobs.filter((job) => job.status === Status.COMPLETED && FETCHING.has(job.kind) && job.nodeId === nodeId);
  const speeds = done.map(speedOf).filter((speed) => speed > 0).slice(0, MOST).sort((one, other) => one - other);
  const middle = speeds[Math.floor(speeds.length / 2)];
  return middle === undefined || bytes === 0n ? undefined : Number(bytes) / middle;
}

/** Bytes a second from its first moment to its last: with the verifying, which a new one takes too. */
function speedOf(job: ImportStatus): number {
  const [from, to] = [toDate(job.createdAt), toDate(job.updatedAt)];
  const seconds = from && to ? (to.getTime() - from.getTime()) / 1000 : 0;
  return seconds >= LEAST_SECONDS ? Number(job.bytesTotal) / seconds : 0;
}
