import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { type Finding, Finding_Severity as Severity } from '@/gen/limiquantix/compute/v1/vm_pb';

/** Something wrong with a text: characters from and to, and in words. */
export interface Problem {
  from: number;
  to: number;
  line: number;
  message: string;
  severity: 'error' | 'warning';
}

/** Of all kinds of user-data only this one is YAML. */
export function isCloudConfig(text: string): boolean {
  return /^#cloud-config\b(?!-)/.test(text);
}

/** What keeps it from being YAML, told here and at once. */
export function parseProblems(text: string): Problem[] {
  if (!isCloudConfig(text)) return [];
  const lines = new LineCounter();
  const { errors } = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  return errors.map(({ pos: [from, to], message }) => {
    const last = Math.min(Math.max(to, from + 1), text.length);
    return { from: Math.min(from, text.length), to: last, line: lines.linePos(from).line, message, severity: 'error' as const };
  });
}

// "users.0.shell is not of type string.": what the server says begins with the place.
const PLACED = /^([\w.-]+) (?:is |lacks |does )/;

/** The server's findings on the user-data, each where it says; without a place, on the first line. */
export function serverProblems(text: string, findings: readonly Finding[]): Problem[] {
  const wanted = findings.filter(({ field, severity }) => field.endsWith('user_data') && severity >= Severity.WARNING);
  if (!wanted.length) return [];
  const lines = new LineCounter();
  const document = isCloudConfig(text) ? parseDocument(text, { lineCounter: lines, prettyErrors: false }) : undefined;
  return wanted.map(({ message, severity }) => {
    const path = PLACED.exec(message)?.[1];
    const place = document && path ? placeOf(document, path) : undefined;
    const [from, to] = place ?? [0, Math.max(text.indexOf('\n'), 0) || text.length];
    return { from, to, line: place ? lines.linePos(from).line : 1, message, severity: severity === Severity.BLOCKER ? 'error' as const : 'warning' as const };
  });
}

/** The key or item that a path such as users.0.shell names, as far as the document has it. */
function placeOf(document: Document, path: string): [number, number] | undefined {
  let here: unknown = document.contents;
  let found: [number, number] | undefined;
  let rest = path.split('.');
  while (rest.length) {
    if (isMap(here)) {
      // A key may have dots of its own.
      const taken = rest.findIndex((_, count) => here instanceof Object && isMap(here) && here.has(rest.slice(0, count + 1).join('.')));
      if (taken < 0) return found;
      const name = rest.slice(0, taken + 1).join('.');
      const pair = here.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === name);
      if (!pair || !isScalar(pair.key) || !pair.key.range) return found;
      found = [pair.key.range[0], pair.key.range[1]];
      here = pair.value;
      rest = rest.slice(taken + 1);
    } else if (isSeq(here)) {
      const item: unknown = here.items[Number(rest[0])];
      if (item === undefined || item === null) return found;
      const range = (item as { range?: [number, number, number] }).range;
      if (range) found = [range[0], Math.max(range[1], range[0] + 1)];
      here = item;
      rest = rest.slice(1);
    } else return found;
  }
  return found;
}
