/** The names of the platform's specification: every page reads and changes images through these. */
import { useMutation, useQuery } from '@connectrpc/connect-query';
import { keepPreviousData } from '@tanstack/react-query';
import { useMemo } from 'react';
import { isUnreachable } from '@/api/errors';
import { EVERYTHING, useConnection, useLibrary } from '@/api/library';
import { builtInCatalog, isSupportOver } from '@/hooks/catalog';
import { formatImageSize } from '@/hooks/format';
import { type Image, ImageService, ImageStatus_Phase, type ImageCatalogEntry, type ImportStatus, type OsInfo } from '@/gen/limiquantix/storage/v1/image_pb';
import type { TrustLevel } from '@/gen/limiquantix/storage/v1/trust_pb';

export { formatImageSize };

const POLL = 4_000;
const method = ImageService.method;

export interface ImagesFilter {
  /** Words that all stand in name, distribution, version or description. */
  search?: string;
  distribution?: string;
}

/** Every image of the library, kept current by the tab's stream; asked for again and again while that is down. */
export function useImages(filter: ImagesFilter = {}) {
  const { complete } = useLibrary();
  const connection = useConnection();
  const query = useQuery(method.listImages, EVERYTHING, {
    enabled: connection === 'lost',
    refetchInterval: POLL,
    placeholderData: keepPreviousData,
  });
  const all = query.data?.images;
  const { search = '', distribution = '' } = filter;
  const images = useMemo(
    () => (all ?? []).filter((image) => matches(image, search) && (!distribution || image.spec?.os?.distribution === distribution)),
    [all, search, distribution],
  );
  return { images, data: images, isLoading: !all && !complete && connection !== 'lost', error: query.error, refetch: query.refetch };
}

export function useImage(id: string): { image: Image | undefined; isLoading: boolean } {
  const { images, isLoading } = useImages();
  return { image: images.find((image) => image.id === id), isLoading };
}

/** The catalogue: the server's, or the one built into these pages while no server answers. */
export function useImageCatalog() {
  const connection = useConnection();
  const query = useQuery(method.getImageCatalog, {}, {
    refetchInterval: ({ state }) => (connection === 'live' && state.status !== 'error' ? false : POLL),
    retry: false,
  });
  // While nobody answers, the last that the server said is a built-in catalogue too, until it is back.
  const isUsingCatalog = connection === 'lost' || isUnreachable(query.error);
  const entries: readonly ImageCatalogEntry[] = query.data?.images ?? (isUsingCatalog ? builtInCatalog() : []);
  return { entries, data: entries, state: isUsingCatalog ? undefined : query.data?.catalog, isLoading: query.isPending && !isUsingCatalog, isUsingCatalog, error: query.error, refetch: query.refetch };
}

/** What a VM can be made of: local images first, then what the catalogue offers besides. */
export interface AvailableImage {
  id: string;
  name: string;
  source: 'local' | 'catalog';
  os: OsInfo | undefined;
  defaultUser: string;
  sizeBytes: bigint;
  trust: TrustLevel | undefined;
  supportOver: boolean;
  image?: Image;
  entry?: ImageCatalogEntry;
}

export function useAvailableImages(): { images: AvailableImage[]; isLoading: boolean; isUsingCatalog: boolean } {
  const local = useImages();
  const catalog = useImageCatalog();
  const images = useMemo(() => {
    const ready = local.images.filter((image) => image.current && !image.hidden && image.status?.phase === ImageStatus_Phase.READY);
    const held = new Set(ready.map((image) => image.spec?.catalogId));
    const offered = catalog.entries.filter((entry) => !held.has(entry.id));
    return [...ready.map(fromImage), ...offered.map(fromEntry)];
  }, [local.images, catalog.entries]);
  return { images, isLoading: local.isLoading || catalog.isLoading, isUsingCatalog: catalog.isUsingCatalog };
}

export function useImportImage() {
  return useMutation(method.importImage);
}

export function useDownloadImage() {
  return useMutation(method.downloadImage);
}

export function useConvertImage() {
  return useMutation(method.convertImage);
}

export function useProveImage() {
  return useMutation(method.proveImage);
}

export function usePlaceImage() {
  return useMutation(method.placeImage);
}

export function useDeleteImage() {
  return useMutation(method.deleteImage);
}

export function useCancelJob() {
  return useMutation(method.cancelImport);
}

export function useRetryJob() {
  return useMutation(method.retryImport);
}

export function useImageUsage(image: string) {
  return useQuery(method.getImageUsage, { image }, { enabled: image !== '' });
}

/** Every job, newest first. */
export function useJobs() {
  const { complete } = useLibrary();
  const connection = useConnection();
  const query = useQuery(method.listJobs, EVERYTHING, { enabled: connection === 'lost', refetchInterval: POLL });
  const jobs: readonly ImportStatus[] = useMemo(() => query.data?.jobs ?? [], [query.data]);
  return { jobs, isLoading: !query.data && !complete && connection !== 'lost', error: query.error };
}

/** One job of any kind: told by the stream, asked for while that is down or does not know it. */
export function useImportStatus(jobId: string | undefined) {
  const { jobs } = useJobs();
  const told = jobs.find((job) => job.jobId === jobId);
  const query = useQuery(method.getImportStatus, { jobId: jobId ?? '' }, {
    enabled: Boolean(jobId) && !told,
    refetchInterval: 1_000,
  });
  const status = told ?? query.data;
  return { status, data: status, isLoading: Boolean(jobId) && !status && query.isPending, error: query.error };
}

/** Whom to log in as: what was found inside counts more than what was declared. */
export function getDefaultUser(image: Image | ImageCatalogEntry | undefined): string {
  if (!image) return '';
  if (image.$typeName === 'limiquantix.storage.v1.Image') {
    return image.status?.found?.defaultUser || image.spec?.os?.defaultUser || '';
  }
  return image.os?.defaultUser ?? '';
}

/** Whether all words of a search stand in what people know an image by. */
export function matches(image: Image | ImageCatalogEntry, search: string): boolean {
  if (!search.trim()) return true;
  const os = image.$typeName === 'limiquantix.storage.v1.Image' ? image.spec?.os : image.os;
  const known = `${image.name} ${image.id} ${image.description} ${os?.distribution} ${os?.version}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => known.includes(word));
}

function fromImage(image: Image): AvailableImage {
  return {
    id: image.id,
    name: image.name,
    source: 'local',
    os: image.spec?.os,
    defaultUser: getDefaultUser(image),
    sizeBytes: image.status?.sizeBytes ?? 0n,
    trust: image.status?.trust,
    supportOver: image.status?.endOfLife ?? false,
    image,
  };
}

function fromEntry(entry: ImageCatalogEntry): AvailableImage {
  return {
    id: entry.id,
    name: entry.name,
    source: 'catalog',
    os: entry.os,
    defaultUser: getDefaultUser(entry),
    sizeBytes: entry.sizeBytes,
    trust: entry.trust,
    supportOver: isSupportOver(entry),
    entry,
  };
}
