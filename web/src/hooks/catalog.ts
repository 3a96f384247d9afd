import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import builtIn from '@/gen/catalog.json';
import { GetImageCatalogResponseSchema, type ImageCatalogEntry } from '@/gen/limiquantix/storage/v1/image_pb';

let read: readonly ImageCatalogEntry[] | undefined;

/** The catalogue as it was when this page was built: shown, and marked, while no server answers. */
export function builtInCatalog(): readonly ImageCatalogEntry[] {
  read ??= fromJson(GetImageCatalogResponseSchema, builtIn as unknown as JsonValue).images;
  return read;
}

/** Whether the publisher has stopped mending it. */
export function isSupportOver(entry: Pick<ImageCatalogEntry, 'endOfLife' | 'supportEnds'>, now = new Date()): boolean {
  return entry.endOfLife || (entry.supportEnds !== '' && entry.supportEnds < now.toISOString().slice(0, 10));
}
