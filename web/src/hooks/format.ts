import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { text } from '@/text/en';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes as people read them: "1.4 GiB"; a dash where the size is not known. */
export function formatImageSize(bytes: bigint | number | undefined): string {
  let amount = Number(bytes ?? 0);
  if (!Number.isFinite(amount) || amount <= 0) return text.unknown;
  let unit = 0;
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 100 ? 0 : 1;
  return `${amount.toFixed(digits)} ${UNITS[unit]}`;
}

/** Seconds as "45 s", "3 min" or "2 h 5 min". */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function toDate(at: Timestamp | undefined): Date | undefined {
  return at ? new Date(Number(at.seconds) * 1000 + at.nanos / 1e6) : undefined;
}

const AGES: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' });

/** How long ago: "3 d ago". */
export function formatAge(at: Timestamp | undefined, now = Date.now()): string {
  const date = toDate(at);
  if (!date) return text.unknown;
  const seconds = (now - date.getTime()) / 1000;
  for (const [unit, length] of AGES) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  }
  return text.justNow;
}

const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export function formatMoment(at: Timestamp | undefined): string {
  const date = toDate(at);
  return date ? moment.format(date) : text.unknown;
}
