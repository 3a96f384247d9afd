import { Button, Group, Skeleton, Text } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconCopy, IconTrash } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type Dispatch, memo, type MouseEvent, type ReactNode, type SetStateAction, Suspense, useCallback, useMemo, useRef, useState } from 'react';
import { later } from '@/components/later';
import { EmptyNote, ErrorNote } from '@/components/Notes';
import { ImageStatus_Phase } from '@/gen/limiquantix/storage/v1/image_pb';
import { useImages, usePlaceImage } from '@/hooks/useImages';
import { useNodes, useVms } from '@/hooks/useMachines';
import { ClearFilters, Filters, optionsOf } from '@/pages/images/Filters';
import { ImageCells } from '@/pages/images/ImageCells';
import { filteredRows, type ImageRow, rowsOf, sortedRows } from '@/pages/images/rows';
import type { SortKey } from '@/pages/images/search';
import { useImagesSearch } from '@/pages/images/useImagesSearch';
import { text } from '@/text/en';

const DeleteDialog = later(() => import('@/pages/images/DeleteDialog'));

const ROW = 54;
const HEAD = 42;
const COLUMNS: readonly SortKey[] = ['name', 'os', 'version', 'size', 'format', 'trust', 'placements', 'usedBy', 'age'];
const PHASES = [ImageStatus_Phase.READY, ImageStatus_Phase.DOWNLOADING, ImageStatus_Phase.PENDING, ImageStatus_Phase.ERROR];

/** What the library holds, in a table of which only the rows in sight exist. */
export default function LocalTab(): ReactNode {
  const [search, change] = useImagesSearch();
  const { images, isLoading } = useImages();
  const { vms } = useVms();
  const { nodes } = useNodes();
  const all = useMemo(() => rowsOf(images, vms), [images, vms]);
  const sort = search.sort ?? 'age';
  const fitting = useMemo(() => filteredRows(all, search), [all, search]);
  const rows = useMemo(() => sortedRows(fitting, sort, search.desc ?? false), [fitting, sort, search.desc]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const selected = useMemo(() => rows.filter((row) => chosen.has(row.image.id)), [rows, chosen]);
  if (isLoading) return <Skeleton height={420} radius="md" />;
  if (all.length === 0) {
    return (
      <EmptyNote title={text.images.localEmpty} hint={text.images.localEmptyHint}>
        <Group>
          <Button onClick={() => change({ tab: 'catalog' })}>{text.images.toCatalog}</Button>
        </Group>
      </EmptyNote>
    );
  }
  return (
    <>
      <Filters
        count={text.images.count(rows.length, all.length)}
        choices={[
          { name: 'distribution', label: text.images.distribution, every: text.images.everyDistribution, options: optionsOf(all.map((row) => row.distribution)) },
          { name: 'state', label: text.images.state, every: text.images.everyState, options: PHASES.map((phase) => [String(phase), text.images.phase[phase] ?? ''] as const) },
          { name: 'node', label: text.nav.nodes, every: text.images.allNodes, options: nodes.map((node) => [node.id, node.hostname] as const) },
        ]}
      />
      <BulkActions selected={selected} clear={() => setChosen(new Set())} />
      {rows.length === 0 ? (
        <EmptyNote title={text.images.nothingFits} hint={text.images.nothingFitsHint}>
          <ClearFilters />
        </EmptyNote>
      ) : (
        <Table rows={rows} sort={sort} desc={search.desc ?? false} chosen={chosen} choose={setChosen} sortBy={(key) => change({ sort: key, desc: key === sort && !search.desc })} />
      )}
    </>
  );
}

interface TableProps {
  rows: readonly ImageRow[];
  sort: SortKey;
  desc: boolean;
  sortBy: (key: SortKey) => void;
  chosen: ReadonlySet<string>;
  choose: Dispatch<SetStateAction<ReadonlySet<string>>>;
}

function Table({ rows, sort, desc, sortBy, chosen, choose }: TableProps): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const go = useNavigate();
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 6, initialRect: { width: 1000, height: 640 } });
  const items = virtual.getVirtualItems();
  const most = useRef(0);
  most.current = Math.max(most.current, items.length);
  const pool = most.current;
  const everyone = rows.length > 0 && rows.every((row) => chosen.has(row.image.id));
  const toggle = useCallback(
    (id: string) =>
      choose((now) => {
        const next = new Set(now);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    [choose],
  );
  const open = useCallback((imageId: string) => void go({ to: '/storage/images/$imageId', params: { imageId } }), [go]);
  const height = `min(calc(100dvh - 300px), ${rows.length * ROW + HEAD + 2}px)`;
  return (
    <div ref={scroller} className="rows" style={{ height, minHeight: 160 }} role="table" aria-label={text.images.tabs.local} aria-rowcount={rows.length + 1} tabIndex={0}>
      <div role="rowgroup" style={{ position: 'sticky', top: 0, zIndex: 2, minWidth: 1060 }}>
        <div className="row cols-local" data-head role="row" aria-rowindex={1}>
          <span role="columnheader">
            <input
              type="checkbox"
              className="tick"
              aria-label={text.images.selectAll}
              checked={everyone}
              ref={(box) => {
                if (box) box.indeterminate = !everyone && chosen.size > 0;
              }}
              onChange={() => choose(everyone ? new Set() : new Set(rows.map((row) => row.image.id)))}
            />
          </span>
          {COLUMNS.map((key) => (
            <span key={key} role="columnheader" aria-sort={key === sort ? (desc ? 'descending' : 'ascending') : 'none'}>
              <button type="button" className="sorter" onClick={() => sortBy(key)} aria-label={text.images.sortBy(text.images.columns[key])}>
                {text.images.columns[key]}
                {key === sort && (desc ? <IconArrowDown size={14} aria-hidden /> : <IconArrowUp size={14} aria-hidden />)}
              </button>
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative', minWidth: 1060 }}>
        {items.map(({ index, start }) => {
          const row = rows[index];
          if (!row) return null;
          // Elements are used again for other rows: making new ones costs more than a frame has.
          return <Line key={index % pool} row={row} index={index} start={start} chosen={chosen.has(row.image.id)} toggle={toggle} open={open} />;
        })}
      </div>
    </div>
  );
}

interface LineProps {
  row: ImageRow;
  index: number;
  start: number;
  chosen: boolean;
  toggle: (id: string) => void;
  open: (id: string) => void;
}

/** A row in sight. Plain elements: a hundred of them come and go while one scrolls. */
const Line = memo(function Line({ row, index, start, chosen, toggle, open }: LineProps): ReactNode {
  const { id, name } = row.image;
  const follow = (event: MouseEvent): void => {
    event.stopPropagation();
    // With a modifier it is the browser's: another tab, another window.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    open(id);
  };
  const link = (
    <a href={`/storage/images/${encodeURIComponent(id)}`} onClick={follow}>
      {name}
    </a>
  );
  return (
    <div className="row cols-local" data-line role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${start}px)` }} onClick={() => open(id)}>
      <span role="cell" onClick={(event) => event.stopPropagation()}>
        <input type="checkbox" className="tick" aria-label={text.images.select(name)} checked={chosen} onChange={() => toggle(id)} />
      </span>
      <ImageCells row={row} name={link} />
    </div>
  );
});

function BulkActions({ selected, clear }: { selected: readonly ImageRow[]; clear: () => void }): ReactNode {
  const [deleting, setDeleting] = useState(false);
  const place = usePlaceImage();
  if (selected.length === 0) return null;
  const copy = async (): Promise<void> => {
    for (const { image } of selected) await place.mutateAsync({ image: image.id, allNodes: true }).catch(() => undefined);
    clear();
  };
  return (
    <>
      <ErrorNote error={place.error} />
      <Group mb="sm" gap="sm" role="toolbar" aria-label={text.images.selected(selected.length)}>
        <Text size="sm" fw={600}>{text.images.selected(selected.length)}</Text>
        <Button size="xs" variant="default" leftSection={<IconCopy size={14} aria-hidden />} loading={place.isPending} onClick={() => void copy()}>
          {text.images.placeSelected}
        </Button>
        <Button size="xs" color="red" variant="light" leftSection={<IconTrash size={14} aria-hidden />} onClick={() => setDeleting(true)}>
          {text.images.deleteSelected}
        </Button>
        <Button size="xs" variant="subtle" onClick={clear}>
          {text.images.unselect}
        </Button>
      </Group>
      <Suspense>{deleting && <DeleteDialog images={selected.map(({ image }) => image)} close={() => setDeleting(false)} done={clear} />}</Suspense>
    </>
  );
}
