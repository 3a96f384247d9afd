import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { cleanup } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { GuestFactsSchema } from '@/gen/limiquantix/storage/v1/facts_pb';
import { GetImageCatalogResponseSchema, ImageService, ImageStatus_Phase, ImportStatus_Status, ImportStatusSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import { builtInCatalog, isSupportOver } from '@/hooks/catalog';
import { formatImageSize, getDefaultUser, useAvailableImages, useDownloadImage, useImageCatalog, useImages, useImportStatus } from '@/hooks/useImages';
import { image, renderedHook, Stream, transport } from './support';

afterEach(cleanup);

const UP_TO_DATE = { sequence: 1n, change: { case: 'upToDate', value: true } } as const;
const CATALOG = create(GetImageCatalogResponseSchema, {
  images: [
    { id: 'debian-12', name: 'Debian 12', os: { distribution: 'debian', defaultUser: 'debian' } },
    { id: 'rocky-9', name: 'Rocky Linux 9', os: { distribution: 'rocky', defaultUser: 'rocky' } },
  ],
});

test('useImages follows the stream and filters by words', async () => {
  const stream = new Stream();
  const { result } = renderedHook(() => useImages({ search: 'web' }), transport(stream));
  expect(result.current.isLoading).toBe(true);
  stream.say({ sequence: 1n, change: { case: 'image', value: image('1', 'web-server') } }, { sequence: 1n, change: { case: 'image', value: image('2', 'other') } }, UP_TO_DATE);
  await vi.waitFor(() => expect(result.current.images.map(({ name }) => name)).toEqual(['web-server']));
  expect(result.current.isLoading).toBe(false);
});

test('without a server the built-in catalogue is shown, marked, until the server is back', async () => {
  const stream = new Stream();
  let away = true;
  const server = transport(stream, (router) => {
    router.rpc(ImageService.method.getImageCatalog, () => {
      if (away) throw new ConnectError('nobody', Code.Unavailable);
      return CATALOG;
    });
  });
  const { result } = renderedHook(() => useImageCatalog(), server);
  await vi.waitFor(() => expect(result.current.isUsingCatalog).toBe(true));
  expect(result.current.entries).toEqual(builtInCatalog());
  away = false;
  stream.say(UP_TO_DATE);
  await vi.waitFor(() => expect(result.current.isUsingCatalog).toBe(false));
  expect(result.current.entries.map(({ id }) => id)).toEqual(['debian-12', 'rocky-9']);
});

test('a refusal is no reason to show the built-in catalogue', async () => {
  const server = transport(new Stream(), (router) => {
    router.rpc(ImageService.method.getImageCatalog, () => {
      throw new ConnectError('no', Code.PermissionDenied);
    });
  });
  const { result } = renderedHook(() => useImageCatalog(), server);
  await vi.waitFor(() => expect(result.current.error).toBeTruthy());
  expect(result.current.isUsingCatalog).toBe(false);
});

test('useAvailableImages joins what is here with what the catalogue offers besides', async () => {
  const stream = new Stream();
  const server = transport(stream, (router) => router.rpc(ImageService.method.getImageCatalog, () => CATALOG));
  const { result } = renderedHook(() => useAvailableImages(), server);
  const held = image('1', 'debian-12');
  if (held.spec) held.spec.catalogId = 'debian-12';
  stream.say(
    { sequence: 1n, change: { case: 'image', value: held } },
    { sequence: 1n, change: { case: 'image', value: image('2', 'coming', ImageStatus_Phase.DOWNLOADING) } },
    UP_TO_DATE,
  );
  await vi.waitFor(() => expect(result.current.images.map(({ id, source }) => `${source} ${id}`)).toEqual(['local 1', 'catalog rocky-9']));
  expect(result.current.images.map(({ defaultUser }) => defaultUser)).toEqual(['debian', 'rocky']);
});

test('useImportStatus asks for a job that the stream does not tell of', async () => {
  const stream = new Stream();
  const server = transport(stream, (router) => {
    router.rpc(ImageService.method.getImportStatus, ({ jobId }) => create(ImportStatusSchema, { jobId, progressPercent: 40 }));
  });
  const { result } = renderedHook(() => useImportStatus('j1'), server);
  await vi.waitFor(() => expect(result.current.status?.progressPercent).toBe(40));
  stream.say({ sequence: 1n, change: { case: 'job', value: { jobId: 'j1', progressPercent: 80, status: ImportStatus_Status.DOWNLOADING } } }, UP_TO_DATE);
  await vi.waitFor(() => expect(result.current.status?.progressPercent).toBe(80));
});

test('useDownloadImage passes the wish on and gives the server’s refusal', async () => {
  const asked: string[] = [];
  const server = transport(new Stream(), (router) => {
    router.rpc(ImageService.method.downloadImage, ({ catalogId, nodeId }) => {
      asked.push(`${catalogId} ${nodeId}`);
      throw new ConnectError('The node is full.', Code.ResourceExhausted);
    });
  });
  const { result } = renderedHook(() => useDownloadImage(), server);
  result.current.mutate({ catalogId: 'debian-12', nodeId: 'n1' });
  await vi.waitFor(() => expect(result.current.error?.rawMessage).toBe('The node is full.'));
  expect(asked).toEqual(['debian-12 n1']);
});

test.each([
  [0n, '–'],
  [512n, '512 B'],
  [1536n, '1.5 KiB'],
  [448_000_000n, '427 MiB'],
  [2n ** 40n, '1.0 TiB'],
])('formatImageSize(%s) is %s', (bytes, said) => expect(formatImageSize(bytes)).toBe(said));

test('what was found inside an image counts more than what is declared', () => {
  const own = image('1', 'x');
  expect(getDefaultUser(own)).toBe('debian');
  if (own.status) own.status.found = create(GuestFactsSchema, { defaultUser: 'cloud' });
  expect(getDefaultUser(own)).toBe('cloud');
  expect(getDefaultUser(undefined)).toBe('');
});

test('support is over on the day after its last', () => {
  const entry = { endOfLife: false, supportEnds: '2026-07-11' };
  expect(isSupportOver(entry, new Date('2026-07-11T12:00:00Z'))).toBe(false);
  expect(isSupportOver(entry, new Date('2026-07-12T00:00:00Z'))).toBe(true);
});
