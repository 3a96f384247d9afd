import { Card, Group, SegmentedControl, Skeleton, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { JobProgress, stageOf } from '@/components/JobProgress';
import { EmptyNote } from '@/components/Notes';
import type { ImportStatus } from '@/gen/limiquantix/storage/v1/image_pb';
import { formatAge } from '@/hooks/format';
import { hasFailed, isLive } from '@/hooks/jobs';
import { useJobs } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { text } from '@/text/en';

export type JobFilter = keyof typeof text.jobs.status;

// More than anybody reads; the command line has them all.
const MOST = 200;

const FITS: Record<JobFilter, (job: ImportStatus) => boolean> = {
  all: () => true,
  running: isLive,
  failed: hasFailed,
  done: (job) => !isLive(job) && !hasFailed(job),
};

/** Jobs, newest first, those that run above all others. */
export function JobList({ filter, onFilter }: { filter: JobFilter; onFilter: (filter: JobFilter) => void }): ReactNode {
  const { jobs, isLoading } = useJobs();
  const fitting = jobs.filter(FITS[filter]);
  const shown = [...fitting.filter(isLive), ...fitting.filter((job) => !isLive(job))].slice(0, MOST);
  const options = Object.entries(text.jobs.status).map(([value, label]) => ({ value, label }));
  return (
    <Stack>
      <Group>
        <SegmentedControl aria-label={text.images.state} data={options} value={filter} onChange={(value) => onFilter(value as JobFilter)} />
      </Group>
      {isLoading && <Skeleton height={200} radius="md" />}
      {!isLoading && shown.length === 0 && <EmptyNote title={text.jobs.empty} hint={text.jobs.emptyHint} />}
      {shown.map((job) => (
        <JobCard key={job.jobId} job={job} />
      ))}
    </Stack>
  );
}

export function JobCard({ job }: { job: ImportStatus }): ReactNode {
  const { nodes } = useNodes();
  const node = nodes.find(({ id }) => id === job.nodeId)?.hostname;
  const name = job.imageId ? (
    <Link to="/storage/images/$imageId" params={{ imageId: job.imageId }}>
      {job.name || job.imageId}
    </Link>
  ) : (
    job.name
  );
  return (
    <Card withBorder component="article" aria-label={`${text.jobs.kind[job.kind] ?? job.kind} ${job.name}: ${stageOf(job)}`} data-job={job.jobId}>
      <JobProgress job={job} title={name} />
      <Text size="xs" c="dimmed">
        {[text.jobs.kind[job.kind] ?? job.kind, node, formatAge(job.createdAt)].filter(Boolean).join(' · ')}
      </Text>
    </Card>
  );
}
