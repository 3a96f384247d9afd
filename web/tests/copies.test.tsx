import { create } from '@bufbuild/protobuf';
import { cleanup, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { type ConvertImageRequest, ImagePlacementSchema, ImageService, ImportStatus_Status, ImportStatusSchema, VerifyImageProgressSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import { Placements } from '@/pages/image/Placements';
import ConvertDialog from '@/pages/images/ConvertDialog';
import { image, rendered, Stream, transport } from './support';

afterEach(cleanup);

function held() {
  const one = image('1', 'debian-12');
  if (one.status) {
    one.status.digest = 'sha256:ab';
    one.status.placements = ['ready', 'damaged'].map((state) => create(ImagePlacementSchema, { nodeId: `on-${state}`, state }));
  }
  return one;
}

test('a check shows how far it is, then what was found', async () => {
  let goOn = (): void => undefined;
  const shown = new Promise<void>((resolve) => (goOn = resolve));
  const server = transport(new Stream(), (router) => {
    router.rpc(ImageService.method.verifyImage, async function* verify() {
      yield create(VerifyImageProgressSchema, { nodeId: 'on-ready', bytesDone: 512n, bytesTotal: 2048n });
      await shown;
      yield create(VerifyImageProgressSchema, { nodeId: 'on-ready', result: 'damaged', error: 'The bytes have changed.' });
    });
  });
  rendered(<Placements image={held()} />, server);
  expect(screen.getByText('Damaged')).toBeTruthy();
  fireEvent.click(screen.getByRole('button', { name: 'Check now' }));
  expect(await screen.findByText('25 % · 512 B of 2.0 KiB')).toBeTruthy();
  goOn();
  expect((await screen.findByRole('alert')).textContent).toContain('The bytes have changed.');
  expect(screen.queryByRole('progressbar')).toBeNull();
});

test('a conversion is asked for, and its stage is shown', async () => {
  const asked: ConvertImageRequest[] = [];
  const job = create(ImportStatusSchema, { jobId: 'j', name: 'debian-12-raw', stage: 'converting', status: ImportStatus_Status.CONVERTING });
  const server = transport(new Stream(), (router) => {
    router.rpc(ImageService.method.convertImage, (request) => {
      asked.push(request);
      return job;
    });
    router.rpc(ImageService.method.getImportStatus, () => job);
  });
  rendered(<ConvertDialog image={held()} close={() => undefined} />, server);
  fireEvent.change(await screen.findByLabelText('Compression'), { target: { value: 'zstd' } });
  fireEvent.change(screen.getByLabelText('Format'), { target: { value: 'raw' } });
  expect(screen.queryByLabelText('Compression')).toBeNull();
  fireEvent.click(screen.getByRole('button', { name: 'Convert' }));
  expect(await screen.findByText('Converting')).toBeTruthy();
  expect(asked.map(({ image: of, format, compression }) => [of, format, compression])).toEqual([['1', 'raw', '']]);
});
