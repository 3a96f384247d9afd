import { Alert, Skeleton, Switch } from '@mantine/core';
import { IconBookDownload } from '@tabler/icons-react';
import { type ReactNode, Suspense, useMemo } from 'react';
import { later } from '@/components/later';
import { EmptyNote, ErrorNote } from '@/components/Notes';
import type { Image, ImageCatalogEntry } from '@/gen/limiquantix/storage/v1/image_pb';
import { isSupportOver } from '@/hooks/catalog';
import { newestJob } from '@/hooks/jobs';
import { matches, useImageCatalog, useImages, useJobs } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { CatalogCard } from '@/pages/images/CatalogCard';
import { ClearFilters, Filters, optionsOf } from '@/pages/images/Filters';
import type { ImagesSearch } from '@/pages/images/search';
import { useImagesSearch } from '@/pages/images/useImagesSearch';
import { text } from '@/text/en';

const CatalogWarning = later(() => import('@/pages/images/CatalogWarning'));
const SKELETONS = ['a', 'b', 'c', 'd', 'e', 'f'];

export function CatalogTab(): ReactNode {
  const [search, change] = useImagesSearch();
  const catalog = useImageCatalog();
  const { images } = useImages();
  const { jobs } = useJobs();
  const { nodes } = useNodes();
  const shown = useMemo(() => catalog.entries.filter((entry) => fits(entry, search)), [catalog.entries, search]);
  const held = useMemo(() => byCatalogId(images), [images]);
  return (
    <>
      {catalog.isUsingCatalog && (
        <Alert color="orange" variant="light" mb="md" icon={<IconBookDownload aria-hidden />} data-testid="built-in-catalog">
          {text.connection.catalog}
        </Alert>
      )}
      <Suspense>{catalog.state?.warning && <CatalogWarning state={catalog.state} />}</Suspense>
      <Filters
        count={text.images.count(shown.length, catalog.entries.length)}
        choices={[
          { name: 'distribution', label: text.images.distribution, every: text.images.everyDistribution, options: optionsOf(catalog.entries.map((entry) => entry.os?.distribution)) },
          { name: 'arch', label: text.images.architecture, every: text.images.everyArchitecture, options: optionsOf(catalog.entries.flatMap((entry) => entry.architectures)) },
        ]}
      >
        <Switch label={text.images.hideEnded} checked={search.ended === 'hide'} onChange={(event) => change({ ended: event.currentTarget.checked ? 'hide' : undefined })} />
      </Filters>
      {catalog.error && !catalog.isUsingCatalog && <ErrorNote error={catalog.error} retry={() => void catalog.refetch()} />}
      <div className="catalog" aria-busy={catalog.isLoading}>
        {catalog.isLoading && SKELETONS.map((name) => <Skeleton key={name} height={236} radius="md" />)}
        {shown.map((entry) => (
          <CatalogCard
            key={entry.id}
            entry={entry}
            images={held.get(entry.id) ?? NONE}
            job={newestJob(jobs, (job) => job.catalogId === entry.id)}
            nodes={nodes}
            offline={catalog.isUsingCatalog}
          />
        ))}
      </div>
      {!catalog.isLoading && shown.length === 0 && (
        <EmptyNote title={text.images.nothingFits} hint={text.images.nothingFitsHint}>
          <ClearFilters />
        </EmptyNote>
      )}
    </>
  );
}

const NONE: readonly Image[] = [];

function fits(entry: ImageCatalogEntry, search: ImagesSearch): boolean {
  if (search.distribution && entry.os?.distribution !== search.distribution) return false;
  if (search.arch && !entry.architectures.includes(search.arch)) return false;
  if (search.ended === 'hide' && isSupportOver(entry)) return false;
  return matches(entry, search.q ?? '');
}

function byCatalogId(images: readonly Image[]): Map<string, Image[]> {
  const found = new Map<string, Image[]>();
  for (const image of images) {
    const id = image.spec?.catalogId;
    if (id && image.current) found.set(id, [...(found.get(id) ?? []), image]);
  }
  return found;
}
