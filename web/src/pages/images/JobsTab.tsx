import type { ReactNode } from 'react';
import { JobList } from '@/components/JobList';
import { useImagesSearch } from '@/pages/images/useImagesSearch';

export default function JobsTab(): ReactNode {
  const [search, change] = useImagesSearch();
  return <JobList filter={search.jobs ?? 'all'} onFilter={(jobs) => change({ jobs: jobs === 'all' ? undefined : jobs })} />;
}
