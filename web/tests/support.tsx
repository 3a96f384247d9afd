import { create } from '@bufbuild/protobuf';
import { createRouterTransport, type ConnectRouter, type Transport } from '@connectrpc/connect';
import { TransportProvider } from '@connectrpc/connect-query';
import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { render, renderHook, type RenderHookResult, type RenderResult } from '@testing-library/react';
import type { ReactNode } from 'react';
import { LibraryProvider } from '@/api/library';
import { newQueryClient } from '@/api/transport';
import { ImageSchema, ImageService, ImageStatus_Phase, type LibraryChange, LibraryChangeSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import type { MessageInitShape } from '@bufbuild/protobuf';

export type Change = MessageInitShape<typeof LibraryChangeSchema>;

/** A server's stream that a test speaks into: each connection gets what is said after it began. */
export class Stream {
  asked: bigint[] = [];
  kinds: string[][] = [];
  #waiting: ((said: Change | Error | undefined) => void)[] = [];
  #said: (Change | Error | undefined)[] = [];

  /** Say something; an Error breaks the stream off, undefined ends it in good order. */
  say(...changes: (Change | Error | undefined)[]): void {
    for (const change of changes) {
      const waiting = this.#waiting.shift();
      if (waiting) waiting(change);
      else this.#said.push(change);
    }
  }

  async *follow(since: bigint, kinds: string[]): AsyncGenerator<LibraryChange> {
    this.asked.push(since);
    this.kinds.push(kinds);
    while (true) {
      const said = this.#said.length ? this.#said.shift() : await new Promise<Change | Error | undefined>((resolve) => this.#waiting.push(resolve));
      if (said === undefined) return;
      if (said instanceof Error) throw said;
      yield create(LibraryChangeSchema, said);
    }
  }
}

export function transport(stream: Stream, more: (router: ConnectRouter) => void = () => undefined): Transport {
  return createRouterTransport((router) => {
    router.rpc(ImageService.method.watchLibrary, (request) => stream.follow(request.sinceSequence, request.kinds));
    more(router);
  });
}

export function image(id: string, name: string, phase = ImageStatus_Phase.READY) {
  return create(ImageSchema, { id, name, current: true, version: 1, status: { phase }, spec: { os: { distribution: 'debian', defaultUser: 'debian' } } });
}

export const QUICK = { pause: 1, firstRetry: 1, lastRetry: 5 } as const;

export function renderedHook<T>(hook: () => T, server: Transport): RenderHookResult<T, unknown> {
  return renderHook(hook, { wrapper: surroundings(server) });
}

export function rendered(element: ReactNode, server: Transport): RenderResult {
  return render(element, { wrapper: surroundings(server) });
}

function surroundings(server: Transport): (props: { children: ReactNode }) => ReactNode {
  const client = newQueryClient();
  return ({ children }) => (
    <MantineProvider env="test">
      <TransportProvider transport={server}>
        <QueryClientProvider client={client}>
          <LibraryProvider options={QUICK}>{children}</LibraryProvider>
        </QueryClientProvider>
      </TransportProvider>
    </MantineProvider>
  );
}
