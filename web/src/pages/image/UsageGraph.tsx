import { useNavigate } from '@tanstack/react-router';
import type { MouseEvent, ReactNode } from 'react';
import type { DerivedImage, ImageUser } from '@/gen/limiquantix/storage/v1/image_pb';
import { imageText } from '@/text/image';

const LINE = 40;
const WIDTH = 520;
const BOX = 210;
// More lines than one can follow; the rest is a number.
const MOST = 20;

/** What an image leads to: a VM by its id and words, or an image that was made of it. */
interface End {
  id: string;
  label: string;
  said: string;
  image: boolean;
}

/** The image on the left, and a line to each VM that needs it and to each image that was made of it. */
export function UsageGraph({ name, vms, derived = [] }: { name: string; vms: readonly ImageUser[]; derived?: readonly DerivedImage[] }): ReactNode {
  const go = useNavigate();
  const ends = [...derived.map(ofImage), ...vms.map(ofVm)];
  const shown = ends.slice(0, MOST);
  const height = Math.max(1, shown.length + (ends.length > MOST ? 1 : 0)) * LINE + 8;
  const middle = height / 2;
  const open = ({ id, image }: End) => (event: MouseEvent): void => {
    event.preventDefault();
    void (image ? go({ to: '/storage/images/$imageId', params: { imageId: id } }) : go({ to: '/vms/$vmId', params: { vmId: id } }));
  };
  return (
    <svg viewBox={`0 0 ${WIDTH} ${height}`} width="100%" style={{ maxWidth: 640, display: 'block' }} role="group" aria-label={imageText.detail.graph(name, vms.length, derived.length)}>
      {shown.map((end, index) => (
        <path key={end.id} d={curve(middle, index * LINE + LINE / 2 + 4)} fill="none" stroke="var(--mantine-color-indigo-4)" strokeWidth={1.5} {...(end.image ? { strokeDasharray: '5 4' } : {})} />
      ))}
      <Box x={1} y={middle - 15} label={name} strong />
      {shown.map((end, index) => (
        <a key={end.id} href={`${end.image ? '/storage/images' : '/vms'}/${encodeURIComponent(end.id)}`} onClick={open(end)} aria-label={end.said}>
          <Box x={WIDTH - BOX - 1} y={index * LINE + 9} label={end.label} />
        </a>
      ))}
      {ends.length > MOST && (
        <text x={WIDTH - BOX} y={height - 14} fontSize={13} fill="var(--mantine-color-text)">{`+ ${ends.length - MOST}`}</text>
      )}
    </svg>
  );
}

function ofVm({ id, name, state, byDisk, snapshots }: ImageUser): End {
  const why = byDisk || snapshots.length === 0 ? state : imageText.detail.bySnapshot;
  return { id, label: `${name} · ${why}`, said: `${name}, ${why}`, image: false };
}

function ofImage({ id, title, how, vmName }: DerivedImage): End {
  const made = imageText.detail.made(how, vmName);
  return { id, label: `${title} · ${made}`, said: `${title}, ${made}`, image: true };
}

function curve(from: number, to: number): string {
  const half = WIDTH / 2;
  return `M ${BOX} ${from} C ${half} ${from}, ${half} ${to}, ${WIDTH - BOX} ${to}`;
}

function Box({ x, y, label, strong = false }: { x: number; y: number; label: string; strong?: boolean }): ReactNode {
  const short = label.length > 27 ? `${label.slice(0, 26)}…` : label;
  return (
    <g>
      <title>{label}</title>
      <rect x={x} y={y} width={BOX} height={30} rx={8} fill="var(--mantine-color-default)" stroke={strong ? 'var(--mantine-color-indigo-6)' : 'var(--mantine-color-default-border)'} strokeWidth={strong ? 2 : 1} />
      <text x={x + 12} y={y + 20} fontSize={13} fontWeight={strong ? 650 : 450} fill="var(--mantine-color-text)">{short}</text>
    </g>
  );
}
