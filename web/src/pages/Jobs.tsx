import { type ReactNode, useState } from 'react';
import { type JobFilter, JobList } from '@/components/JobList';
import { PageHead } from '@/components/Notes';
import { text } from '@/text/en';

export default function Jobs(): ReactNode {
  const [filter, setFilter] = useState<JobFilter>('all');
  return (
    <>
      <PageHead title={text.jobs.title} intro={text.jobs.emptyHint} />
      <JobList filter={filter} onFilter={setFilter} />
    </>
  );
}
