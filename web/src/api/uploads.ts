import { useSyncExternalStore } from 'react';
import { type PreviousUpload, Upload as TusUpload } from 'tus-js-client';
import { text } from '@/text/en';

export type UploadState = 'queued' | 'sending' | 'paused' | 'done' | 'failed';

export interface UploadView {
  key: string;
  name: string;
  size: number;
  sent: number;
  state: UploadState;
  /** It goes on with what an earlier visit of the page has sent. */
  resumed: boolean;
  error: string;
  /** The job that follows it on the server; empty until it is known. */
  jobId: string;
}

// Of the six connections that a browser opens to a server, so many at a time.
const AT_ONCE = 2;
const RETRIES = [0, 1_000, 3_000, 5_000, 10_000, 20_000];

/** Uploads of this tab, by tus: they go on while one looks at other pages, and after a reload with the same file. */
class Uploads {
  #views: readonly UploadView[] = [];
  #tus = new Map<string, TusUpload>();
  #listeners = new Set<() => void>();
  #next = 1;

  get = (): readonly UploadView[] => this.#views;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  add(files: Iterable<File>): void {
    for (const file of files) void this.#add(file);
  }

  async #add(file: File): Promise<void> {
    const key = String(this.#next++);
    const tus = new TusUpload(file, {
      endpoint: '/uploads/',
      retryDelays: RETRIES,
      metadata: { filename: file.name },
      removeFingerprintOnSuccess: true,
      onProgress: (sent) => this.#change(key, { sent }),
      onSuccess: () => this.#ended(key, { state: 'done', sent: file.size }),
      onError: (error) => this.#ended(key, { state: 'failed', error: saidIn(error) }),
      onUploadUrlAvailable: () => this.#change(key, { jobId: tus.url?.split('/').at(-1) ?? '' }),
    });
    this.#tus.set(key, tus);
    this.#show([...this.#views, { key, name: file.name, size: file.size, sent: 0, state: 'queued', resumed: false, error: '', jobId: '' }]);
    const [before] = await tus.findPreviousUploads();
    if (before) {
      tus.resumeFromPreviousUpload(before);
      this.#change(key, { resumed: true });
    }
    this.#startNext();
  }

  pause(key: string): void {
    void this.#tus.get(key)?.abort();
    this.#change(key, { state: 'paused' });
    this.#startNext();
  }

  resume(key: string): void {
    this.#change(key, { state: 'queued', error: '' });
    this.#startNext();
  }

  /** End it here and on the server. */
  abort(key: string): void {
    void this.#tus.get(key)?.abort(true).catch(() => undefined);
    this.forget(key);
  }

  forget(key: string): void {
    this.#tus.delete(key);
    this.#show(this.#views.filter((view) => view.key !== key));
    this.#startNext();
  }

  #startNext(): void {
    const sending = this.#views.filter(({ state }) => state === 'sending').length;
    for (const view of this.#views.filter(({ state }) => state === 'queued').slice(0, AT_ONCE - sending)) {
      this.#change(view.key, { state: 'sending' });
      this.#tus.get(view.key)?.start();
    }
  }

  #ended(key: string, change: Partial<UploadView>): void {
    this.#change(key, change);
    this.#startNext();
  }

  #change(key: string, change: Partial<UploadView>): void {
    this.#show(this.#views.map((view) => (view.key === key ? { ...view, ...change } : view)));
  }

  #show(views: readonly UploadView[]): void {
    this.#views = views;
    for (const listener of this.#listeners) listener();
  }
}

export const uploads = new Uploads();

export function useUploads(): readonly UploadView[] {
  return useSyncExternalStore(uploads.subscribe, uploads.get, uploads.get);
}

/** Names of files whose upload an earlier visit began and did not end. */
export async function unfinishedUploads(): Promise<string[]> {
  const found: PreviousUpload[] = await new TusUpload(new File([], ''), { endpoint: '/uploads/' }).options.urlStorage!.findAllUploads();
  return [...new Set(found.map(({ metadata }) => metadata['filename'] ?? '').filter(Boolean))];
}

function saidIn(error: Error & { originalResponse?: { getBody(): string } | null }): string {
  try {
    const said = JSON.parse(error.originalResponse?.getBody() ?? '') as { message?: unknown };
    if (typeof said.message === 'string') return said.message;
  } catch {
    /* no answer of ours */
  }
  return error.originalResponse ? text.errors.unknown : text.connection.unreachable;
}
