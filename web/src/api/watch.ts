import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { isSignedOut } from '@/api/errors';
import type { Node } from '@/gen/limiquantix/compute/v1/node_pb';
import type { VirtualMachine } from '@/gen/limiquantix/compute/v1/vm_pb';
import { type Image, ImageService, type ImportStatus, type LibraryChange } from '@/gen/limiquantix/storage/v1/image_pb';

export type Connection = 'connecting' | 'live' | 'lost' | 'signed-out';

/** What the library is now, as far as it was told. Replaced, never changed, so that views compare by identity. */
export interface Library {
  connection: Connection;
  /** Everything that there is has been said at least once. */
  complete: boolean;
  images: readonly Image[];
  jobs: readonly ImportStatus[];
  nodes: readonly Node[];
  vms: readonly VirtualMachine[];
}

// The kinds that are told, by their words on the wire; always the same, for a number counts for its kinds only.
const LISTS = { image: 'images', job: 'jobs', node: 'nodes', vm: 'vms' } as const;
type List = (typeof LISTS)[keyof typeof LISTS];

export interface WatchOptions {
  /** Milliseconds between two things that views hear of. */
  pause?: number;
  /** Milliseconds before the first and the last try to connect again. */
  firstRetry?: number;
  lastRetry?: number;
}

/**
 * The one stream that a tab holds open (WatchLibrary): a browser opens six connections to a server at the most.
 * It goes on by sequence number where it broke off, and tries again for ever, ever more slowly.
 */
export class LibraryWatch {
  #client: Client<typeof ImageService>;
  #images = new Map<string, Image>();
  #jobs = new Map<string, ImportStatus>();
  #nodes = new Map<string, Node>();
  #vms = new Map<string, VirtualMachine>();
  // While everything is said anew: what was named so far.
  #named: Set<string> | undefined;
  #sequence = 0n;
  #library: Library = { connection: 'connecting', complete: false, images: [], jobs: [], nodes: [], vms: [] };
  #dirty = new Set<List>();
  #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop: AbortController | undefined;
  #hurry: (() => void) | undefined;
  #options: Required<WatchOptions>;

  constructor(transport: Transport, options: WatchOptions = {}) {
    this.#client = createClient(ImageService, transport);
    this.#options = { pause: 80, firstRetry: 400, lastRetry: 8_000, ...options };
  }

  get = (): Library => this.#library;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    if (this.#stop) return;
    this.#stop = new AbortController();
    void this.#follow(this.#stop.signal);
  }

  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#hurry?.();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Try now instead of after the pause. */
  retry = (): void => this.#hurry?.();

  async #follow(signal: AbortSignal): Promise<void> {
    let wait = this.#options.firstRetry;
    while (!signal.aborted) {
      const before = this.#library.connection;
      try {
        for await (const said of this.#client.watchLibrary({ sinceSequence: this.#sequence, kinds: Object.keys(LISTS) }, { signal })) {
          if (signal.aborted) return;
          this.#apply(said);
          if (this.#library.connection === 'live') wait = this.#options.firstRetry;
        }
        // A server that stops ends its streams in good order.
        this.#tell('lost');
      } catch (error) {
        if (signal.aborted) return;
        this.#tell(isSignedOut(error) ? 'signed-out' : 'lost');
      }
      if (before === 'live') wait = this.#options.firstRetry;
      await this.#pause(wait);
      wait = Math.min(wait * 2, this.#options.lastRetry);
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #apply({ sequence, change }: LibraryChange): void {
    switch (change.case) {
      case 'image':
        this.#put('images', this.#images, change.value.id, change.value);
        break;
      case 'job':
        this.#put('jobs', this.#jobs, change.value.jobId, change.value);
        break;
      case 'node':
        this.#put('nodes', this.#nodes, change.value.id, change.value);
        break;
      case 'vm':
        this.#put('vms', this.#vms, change.value.id, change.value);
        break;
      case 'removed':
        this.#remove(change.value.kind, change.value.id);
        break;
      case 'reset':
        this.#named = new Set();
        break;
      case 'upToDate':
        this.#forgetUnnamed();
        this.#flush({ connection: 'live', complete: true });
        break;
      default:
    }
    if (sequence > 0n && change.case !== 'reset') this.#sequence = sequence;
    this.#soon();
  }

  #put<T>(kind: List, rows: Map<string, T>, id: string, value: T): void {
    rows.set(id, value);
    this.#named?.add(`${kind} ${id}`);
    this.#dirty.add(kind);
  }

  #remove(kind: string, id: string): void {
    const list = (LISTS as Partial<Record<string, List>>)[kind];
    if (list && this.#rows()[list].delete(id)) this.#dirty.add(list);
  }

  #rows(): Record<List, Map<string, unknown>> {
    return { images: this.#images, jobs: this.#jobs, nodes: this.#nodes, vms: this.#vms };
  }

  /** After a reset, what was not named is gone. */
  #forgetUnnamed(): void {
    if (!this.#named) return;
    const all = this.#rows();
    for (const kind of Object.values(LISTS)) {
      const rows = all[kind];
      for (const id of rows.keys()) {
        if (!this.#named.has(`${kind} ${id}`)) {
          rows.delete(id);
          this.#dirty.add(kind);
        }
      }
    }
    this.#named = undefined;
  }

  #tell(connection: Connection): void {
    // The stream may have broken off in the middle of a reset, whose rest will not come.
    this.#named = undefined;
    this.#flush({ connection });
  }

  #soon(): void {
    if (!this.#dirty.size || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush({});
    }, this.#options.pause);
  }

  #flush(change: Partial<Library>): void {
    const next = { ...this.#library, ...change };
    if (this.#dirty.has('images')) next.images = [...this.#images.values()];
    if (this.#dirty.has('jobs')) next.jobs = newestFirst(this.#jobs, ({ jobId }) => jobId);
    if (this.#dirty.has('nodes')) next.nodes = [...this.#nodes.values()].sort(byHostname);
    if (this.#dirty.has('vms')) next.vms = newestFirst(this.#vms, ({ id }) => id);
    this.#dirty.clear();
    this.#library = next;
    for (const listener of this.#listeners) listener();
  }
}

/** As lists are by the server: by when they were made, then by their ids. */
function newestFirst<T extends ImportStatus | VirtualMachine>(rows: Map<string, T>, idOf: (row: T) => string): T[] {
  const nanos = ({ createdAt }: T): bigint => (createdAt?.seconds ?? 0n) * 1_000_000_000n + BigInt(createdAt?.nanos ?? 0);
  return [...rows.values()].sort((one, other) => {
    const difference = nanos(other) - nanos(one);
    if (difference !== 0n) return difference > 0n ? 1 : -1;
    return idOf(one) < idOf(other) ? 1 : -1;
  });
}

function byHostname(one: Node, other: Node): number {
  return one.hostname.localeCompare(other.hostname) || (one.id < other.id ? -1 : 1);
}
