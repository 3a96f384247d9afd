import type { Image } from '@/gen/limiquantix/storage/v1/image_pb';
import { ImageSpec_Format } from '@/gen/limiquantix/storage/v1/image_pb';
import type { ImagesSearch, SortKey } from '@/pages/images/search';
import type { VirtualMachine } from '@/gen/limiquantix/compute/v1/vm_pb';

/** An image with what the table shows, sorts and searches, worked out once. */
export interface ImageRow {
  image: Image;
  words: string;
  distribution: string;
  format: string;
  usedBy: number;
  on: number;
}

export function rowsOf(images: readonly Image[], vms: readonly VirtualMachine[]): ImageRow[] {
  const users = new Map<string, number>();
  for (const vm of vms) {
    const id = vm.status?.imageId;
    if (id) users.set(id, (users.get(id) ?? 0) + 1);
  }
  return images.filter((image) => image.current && !image.hidden).map((image) => {
    const os = image.spec?.os;
    return {
      image,
      words: `${image.name} ${image.description} ${os?.distribution} ${os?.version}`.toLowerCase(),
      distribution: os?.distribution ?? '',
      format: ImageSpec_Format[image.spec?.format ?? 0]?.toLowerCase() ?? '',
      usedBy: users.get(image.id) ?? 0,
      on: image.status?.placements.filter(({ state }) => state === 'ready').length ?? 0,
    };
  });
}

export function filteredRows(rows: readonly ImageRow[], search: ImagesSearch): ImageRow[] {
  const words = (search.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(
    (row) =>
      words.every((word) => row.words.includes(word)) &&
      (!search.distribution || row.distribution === search.distribution) &&
      (!search.state || String(row.image.status?.phase ?? 0) === search.state) &&
      (!search.node || row.image.status?.placements.some(({ nodeId }) => nodeId === search.node)),
  );
}

const KEYS: Record<SortKey, (row: ImageRow) => string | number> = {
  name: (row) => row.image.name,
  os: (row) => row.distribution,
  version: (row) => row.image.version,
  size: (row) => Number(row.image.status?.sizeBytes ?? 0n),
  format: (row) => row.format,
  trust: (row) => row.image.status?.trust ?? 0,
  placements: (row) => row.on,
  usedBy: (row) => row.usedBy,
  age: (row) => -Number(row.image.createdAt?.seconds ?? 0n),
};

export function sortedRows(rows: readonly ImageRow[], sort: SortKey, desc: boolean): ImageRow[] {
  const keyed = rows.map((row) => ({ row, key: KEYS[sort](row) }));
  const way = desc ? -1 : 1;
  keyed.sort((one, other) => way * (one.key < other.key ? -1 : one.key > other.key ? 1 : 0) || (one.row.image.id < other.row.image.id ? -1 : 1));
  return keyed.map(({ row }) => row);
}
