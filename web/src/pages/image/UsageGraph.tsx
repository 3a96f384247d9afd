import { useNavigate } from '@tanstack/react-router';
import type { MouseEvent, ReactNode } from 'react';
import type { ImageUser } from '@/gen/limiquantix/storage/v1/image_pb';
import { imageText } from '@/text/image';

const LINE = 40;
const WIDTH = 520;
const BOX = 210;
// More lines than one can follow; the rest is a number.
const MOST = 20;

/** The image on the left, and a line to each VM that is built on it. */
export function UsageGraph({ name, vms }: { name: string; vms: readonly ImageUser[] }): ReactNode {
  const go = useNavigate();
  const shown = vms.slice(0, MOST);
  const height = Math.max(1, shown.length + (vms.length > MOST ? 1 : 0)) * LINE + 8;
  const middle = height / 2;
  const open = (id: string) => (event: MouseEvent): void => {
    event.preventDefault();
    void go({ to: '/vms/$vmId', params: { vmId: id } });
  };
  return (
    <svg viewBox={`0 0 ${WIDTH} ${height}`} width="100%" style={{ maxWidth: 640, display: 'block' }} role="group" aria-label={imageText.detail.graph(name, vms.length)}>
      {shown.map((vm, index) => (
        <path key={vm.id} d={curve(middle, index * LINE + LINE / 2 + 4)} fill="none" stroke="var(--mantine-color-indigo-4)" strokeWidth={1.5} />
      ))}
      <Box x={1} y={middle - 15} label={name} strong />
      {shown.map((vm, index) => (
        <a key={vm.id} href={`/vms/${encodeURIComponent(vm.id)}`} onClick={open(vm.id)} aria-label={`${vm.name}, ${vm.state}`}>
          <Box x={WIDTH - BOX - 1} y={index * LINE + 9} label={`${vm.name} · ${vm.state}`} />
        </a>
      ))}
      {vms.length > MOST && (
        <text x={WIDTH - BOX} y={height - 14} fontSize={13} fill="var(--mantine-color-text)">{`+ ${vms.length - MOST}`}</text>
      )}
    </svg>
  );
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
