import { Button, Tabs } from '@mantine/core';
import { IconCloudDownload, IconDisc, IconLink, IconTransfer, IconUpload } from '@tabler/icons-react';
import { type ReactNode, Suspense } from 'react';
import { later } from '@/components/later';
import { Pending } from '@/components/Edges';
import { PageHead } from '@/components/Notes';
import { isLive } from '@/hooks/jobs';
import { useJobs } from '@/hooks/useImages';
import { CatalogTab } from '@/pages/images/CatalogTab';
import type { Tab } from '@/pages/images/search';
import { useImagesSearch } from '@/pages/images/useImagesSearch';
import { text } from '@/text/en';

const LocalTab = later(() => import('@/pages/images/LocalTab'));
const JobsTab = later(() => import('@/pages/images/JobsTab'));
const ImportDialog = later(() => import('@/pages/images/ImportDialog'));
const UploadDialog = later(() => import('@/pages/images/UploadDialog'));

/** The platform's Image Library: the cloud catalog, what is here, and what is on its way. */
export default function ImageLibrary(): ReactNode {
  const [search, change] = useImagesSearch();
  const { jobs } = useJobs();
  const running = jobs.filter(isLive).length;
  const tab = search.tab ?? 'catalog';
  const close = (): void => change({ dialog: undefined });
  return (
    <>
      <PageHead title={text.images.title} intro={text.images.intro}>
        <Button variant="default" leftSection={<IconLink size={16} aria-hidden />} onClick={() => change({ dialog: 'import' })}>
          {text.images.import}
        </Button>
        <Button leftSection={<IconUpload size={16} aria-hidden />} onClick={() => change({ dialog: 'upload' })}>
          {text.images.upload}
        </Button>
      </PageHead>
      <Tabs value={tab} onChange={(value) => change({ tab: value as Tab })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="catalog" leftSection={<IconCloudDownload size={16} aria-hidden />}>
            {text.images.tabs.catalog}
          </Tabs.Tab>
          <Tabs.Tab value="local" leftSection={<IconDisc size={16} aria-hidden />}>
            {text.images.tabs.local}
          </Tabs.Tab>
          <Tabs.Tab value="jobs" leftSection={<IconTransfer size={16} aria-hidden />}>
            {text.images.tabs.jobs}
            {running > 0 && ` (${running})`}
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="catalog">
          <CatalogTab />
        </Tabs.Panel>
        <Tabs.Panel value="local">
          <Suspense fallback={<Pending />}>
            <LocalTab />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="jobs">
          <Suspense fallback={<Pending />}>
            <JobsTab />
          </Suspense>
        </Tabs.Panel>
      </Tabs>
      <Suspense>
        {search.dialog === 'import' && <ImportDialog close={close} />}
        {search.dialog === 'upload' && <UploadDialog close={close} />}
      </Suspense>
    </>
  );
}
