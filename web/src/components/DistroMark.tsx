import { IconBrandWindows, IconServer } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { siAlmalinux, siAlpinelinux, siArchlinux, siCentos, siDebian, siFedora, siFreebsd, siOpensuse, siRedhat, siRockylinux, siUbuntu } from 'simple-icons';

interface Logo {
  path: string;
  /** A colour that can be seen on white, and one on black. */
  light: string;
  dark: string;
}

const logo = (icon: { path: string; hex: string }, dark = `#${icon.hex}`): Logo => ({ path: icon.path, light: `#${icon.hex}`, dark });

const LOGOS: Record<string, Logo> = {
  ubuntu: logo(siUbuntu),
  debian: logo(siDebian, '#e0567f'),
  rocky: logo(siRockylinux),
  almalinux: logo(siAlmalinux, '#f1f3f5'),
  fedora: logo(siFedora),
  centos: logo(siCentos, '#b197fc'),
  opensuse: logo(siOpensuse),
  alpine: logo(siAlpinelinux, '#4dabf7'),
  arch: logo(siArchlinux),
  freebsd: logo(siFreebsd, '#ff6b6b'),
  rhel: logo(siRedhat),
};

/** The distribution's own mark; a plain server where it has none here. */
export default function DistroMark({ distribution, size }: { distribution: string; size: number }): ReactNode {
  const found = LOGOS[distribution.toLowerCase()];
  if (!found) {
    const Icon = distribution.toLowerCase().startsWith('windows') ? IconBrandWindows : IconServer;
    return <Icon size={size} stroke={1.4} aria-hidden style={{ flexShrink: 0 }} />;
  }
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} aria-hidden style={{ fill: `light-dark(${found.light}, ${found.dark})`, flexShrink: 0 }}>
      <path d={found.path} />
    </svg>
  );
}
