import { ActionIcon, Group, Progress, Stack, Text } from '@mantine/core';
import { IconRefresh, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ErrorNote } from '@/components/Notes';
import { tip } from '@/components/Tips';
import type { ImportStatus } from '@/gen/limiquantix/storage/v1/image_pb';
import { formatImageSize, formatSeconds } from '@/hooks/format';
import { hasFailed, isCancelled, isLive } from '@/hooks/jobs';
import { useCancelJob, useRetryJob } from '@/hooks/useImages';
import { text } from '@/text/en';

/** A job as it is now: stage, percent, bytes, speed and time left; cancelled or repeated from here. */
export function JobProgress({ job, title }: { job: ImportStatus; title?: ReactNode }): ReactNode {
  const live = isLive(job);
  const color = live ? 'indigo' : hasFailed(job) ? 'red' : isCancelled(job) ? 'gray' : 'teal';
  return (
    <Stack gap={4}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={600} className="clip">
          {title ?? stageOf(job)}
        </Text>
        <JobButtons job={job} />
      </Group>
      <Progress
        value={live ? job.progressPercent : 100}
        color={color}
        animated={live}
        size="md"
        aria-label={text.jobs.progress(job.name)}
      />
      <Text size="xs" c="dimmed" className="numbers" aria-live="off" mih={18}>
        {detail(job, title !== undefined)}
      </Text>
      {hasFailed(job) && <ErrorNote error={job.errorMessage} title={job.errorCode || undefined} />}
    </Stack>
  );
}

export function JobButtons({ job }: { job: ImportStatus }): ReactNode {
  const cancel = useCancelJob();
  const retry = useRetryJob();
  if (isLive(job)) {
    return (
      <ActionIcon {...tip(text.cancel)} variant="subtle" color="gray" aria-label={text.jobs.cancel(job.name)} loading={cancel.isPending} onClick={() => cancel.mutate({ jobId: job.jobId })}>
        <IconX size={16} aria-hidden />
      </ActionIcon>
    );
  }
  // What a proof's guest was told is not kept.
  if (job.kind === 'prove' || (!hasFailed(job) && !isCancelled(job))) return null;
  return (
    <Group gap={4} wrap="nowrap">
      {retry.error && <Text size="xs" c="red">{retry.error.rawMessage}</Text>}
      <ActionIcon {...tip(text.retry)} variant="light" aria-label={text.jobs.retry(job.name)} loading={retry.isPending} onClick={() => retry.mutate({ jobId: job.jobId })}>
        <IconRefresh size={16} aria-hidden />
      </ActionIcon>
    </Group>
  );
}

export function stageOf(job: ImportStatus): string {
  return text.jobs.stage[job.stage] ?? job.stage;
}

function detail(job: ImportStatus, withStage: boolean): string {
  const parts: string[] = withStage ? [stageOf(job)] : [];
  if (!isLive(job)) return parts.join(' · ');
  if (job.waitingFor) return [...parts, text.jobs.waiting(job.waitingFor)].join(' · ');
  if (job.bytesTotal > 0n) {
    parts.push(`${job.progressPercent} %`, text.jobs.of(formatImageSize(job.bytesDownloaded), formatImageSize(job.bytesTotal)));
  }
  if (job.downloadSpeed > 0n) parts.push(text.jobs.speed(formatImageSize(job.downloadSpeed)));
  if (job.etaSeconds > 0) parts.push(text.jobs.left(formatSeconds(job.etaSeconds)));
  return parts.join(' · ');
}
