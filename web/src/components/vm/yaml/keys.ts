import known from '@/gen/cloud-config.json';

/** What cloud-init's schema says of a key: its types, its only values, and the keys below it or its items. */
export interface KeyHint {
  is?: string[];
  oneOf?: unknown[];
  keys?: Record<string, KeyHint>;
}

const ROOT: KeyHint = { keys: known as Record<string, KeyHint> };
const LINE = /^(\s*(?:-\s+)*)(?:([\w.-]+)\s*:)?/;

/** Columns before the first word of a line, dashes of lists counted as room. */
function depthOf(line: string): number {
  return (LINE.exec(line)?.[1] ?? '').length;
}

/** The keys that a line stands below, from the outermost on: by indentation, since what one types is not whole yet. */
export function pathAt(lines: readonly string[], at: number): string[] {
  const path: string[] = [];
  let depth = depthOf(lines[at] ?? '');
  for (let above = at - 1; above >= 0 && depth > 0; above -= 1) {
    const line = lines[above] ?? '';
    const key = LINE.exec(line)?.[2];
    // "- name:" is beside the keys of its item; the list's own key may stand as far to the left as its dashes.
    if (!key || depthOf(line) >= depth) continue;
    path.unshift(key);
    depth = depthOf(line);
  }
  const dashed = /^(\s*)-\s/.exec(lines[at] ?? '')?.[1];
  if (!path.length && dashed === '') {
    const owner = lines.slice(0, at).findLast((line) => /^[\w.-]+\s*:/.test(line));
    if (owner) path.push(LINE.exec(owner)?.[2] ?? '');
  }
  return path;
}

export function hintOf(path: readonly string[]): KeyHint | undefined {
  let here: KeyHint | undefined = ROOT;
  for (const key of path) here = here?.keys?.[key];
  return here;
}

/** "list of mapping" is too much: just the names of the types, as cloud-init's own documentation has them. */
export function typesOf({ is = [], oneOf }: KeyHint): string {
  return oneOf ? oneOf.map(String).join(' | ') : is.join(' | ');
}
