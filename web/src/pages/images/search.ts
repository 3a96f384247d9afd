/** What of the Image Library page lives in its address. */
export type Tab = 'catalog' | 'local' | 'jobs';
export type SortKey = 'name' | 'os' | 'version' | 'size' | 'format' | 'trust' | 'placements' | 'usedBy' | 'age';
export type JobFilter = 'all' | 'running' | 'failed' | 'done';

export interface ImagesSearch {
  tab?: Tab;
  q?: string;
  distribution?: string;
  arch?: string;
  state?: string;
  node?: string;
  /** Images whose support has ended are left out. */
  ended?: 'hide';
  sort?: SortKey;
  desc?: boolean;
  jobs?: JobFilter;
  dialog?: 'import' | 'upload';
}

const TABS: readonly string[] = ['catalog', 'local', 'jobs'];
const SORTS: readonly string[] = ['name', 'os', 'version', 'size', 'format', 'trust', 'placements', 'usedBy', 'age'];
const JOBS: readonly string[] = ['all', 'running', 'failed', 'done'];

/** Anything can stand in an address: only what is understood is taken. */
export function imagesSearch(given: Record<string, unknown>): ImagesSearch {
  const word = (name: string): string | undefined => {
    const value = given[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 200) || undefined : undefined;
  };
  const oneOf = (name: string, allowed: readonly string[]): string | undefined => {
    const value = word(name);
    return value && allowed.includes(value) ? value : undefined;
  };
  const found: ImagesSearch = {
    tab: oneOf('tab', TABS) as Tab | undefined,
    q: word('q'),
    distribution: word('distribution'),
    arch: word('arch'),
    state: word('state'),
    node: word('node'),
    ended: oneOf('ended', ['hide']) as 'hide' | undefined,
    sort: oneOf('sort', SORTS) as SortKey | undefined,
    desc: given['desc'] === true || given['desc'] === 'true' ? true : undefined,
    jobs: oneOf('jobs', JOBS) as JobFilter | undefined,
    dialog: oneOf('dialog', ['import', 'upload']) as 'import' | 'upload' | undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as ImagesSearch;
}
