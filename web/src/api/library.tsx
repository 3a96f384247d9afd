import { create } from '@bufbuild/protobuf';
import { createConnectQueryKey, useTransport } from '@connectrpc/connect-query';
import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { type Connection, type Library, LibraryWatch, type WatchOptions } from '@/api/watch';
import { ListNodesResponseSchema, NodeService } from '@/gen/limiquantix/compute/v1/node_pb';
import { ListVMsResponseSchema, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { ImageService, ListImagesResponseSchema, ListJobsResponseSchema } from '@/gen/limiquantix/storage/v1/image_pb';

const Watching = createContext<LibraryWatch | undefined>(undefined);

/** The input under which whole lists lie in the query cache; asked for, it is the longest page that there is. */
export const EVERYTHING = { pageSize: 1000 } as const;

// Everything that depends on images, jobs, nodes or VMs and is asked for by other RPCs.
const DEPENDENT: ReadonlySet<string> = new Set(['GetImageCatalog', 'GetCatalogDownloadStatus', 'GetImageUsage']);

/** The RPC that a connect-query key is of: ["connect-query", {methodName, …}]. */
export function methodOf(queryKey: readonly unknown[]): string {
  const said = queryKey[1];
  return typeof said === 'object' && said !== null && 'methodName' in said ? String(said.methodName) : '';
}

/** Holds the tab's stream open and pours what it says into the query cache, where the hooks read it. */
export function LibraryProvider({ children, options }: { children: ReactNode; options?: WatchOptions }): ReactNode {
  const transport = useTransport();
  const watch = useMemo(() => new LibraryWatch(transport, options), [transport, options]);
  usePoured(watch);
  useEffect(() => {
    watch.start();
    const hurry = (): void => watch.retry();
    globalThis.addEventListener('online', hurry);
    return () => {
      globalThis.removeEventListener('online', hurry);
      watch.stop();
    };
  }, [watch]);
  return <Watching value={watch}>{children}</Watching>;
}

function usePoured(watch: LibraryWatch): void {
  const transport = useTransport();
  const client = useQueryClient();
  const poured = useRef<Library | undefined>(undefined);
  useEffect(() => {
    const pour = (): void => {
      const { images, jobs, nodes, vms, connection, complete } = watch.get();
      // Half of what a new stream tells is no reason to show less than is there already.
      if (!complete && !images.length) return;
      const before = poured.current;
      poured.current = watch.get();
      const key = { transport, cardinality: 'finite', input: EVERYTHING } as const;
      if (images !== before?.images) {
        client.setQueryData(
          createConnectQueryKey({ ...key, schema: ImageService.method.listImages }),
          create(ListImagesResponseSchema, { images: [...images], totalCount: images.length }),
        );
      }
      if (jobs !== before?.jobs) {
        client.setQueryData(
          createConnectQueryKey({ ...key, schema: ImageService.method.listJobs }),
          create(ListJobsResponseSchema, { jobs: [...jobs], totalCount: jobs.length }),
        );
      }
      if (nodes !== before?.nodes) {
        client.setQueryData(
          createConnectQueryKey({ ...key, schema: NodeService.method.listNodes }),
          create(ListNodesResponseSchema, { nodes: [...nodes], totalCount: nodes.length }),
        );
      }
      if (vms !== before?.vms) {
        client.setQueryData(
          createConnectQueryKey({ ...key, schema: VMService.method.listVMs }),
          create(ListVMsResponseSchema, { vms: [...vms], totalCount: vms.length }),
        );
      }
      const back = connection === 'live' && before?.connection !== 'live';
      if (back || (connection === 'live' && endedOrChanged(before, watch.get()))) {
        void client.invalidateQueries({ predicate: ({ queryKey }) => DEPENDENT.has(methodOf(queryKey)) });
        if (back) void client.invalidateQueries({ predicate: ({ state }) => state.status === 'error' });
      }
    };
    pour();
    return watch.subscribe(pour);
  }, [watch, client, transport]);
}

/** Whether an image or a VM came or went, or an image changed its phase: progress alone changes nothing that is asked for elsewhere. */
function endedOrChanged(before: Library | undefined, now: Library): boolean {
  if (!before) return false;
  if (before.vms.length !== now.vms.length) return true;
  if (before.images === now.images) return false;
  if (before.images.length !== now.images.length) return true;
  const phases = new Map(before.images.map((image) => [image.id, image.status?.phase]));
  return now.images.some((image) => phases.get(image.id) !== image.status?.phase);
}

export function useWatch(): LibraryWatch {
  const watch = useContext(Watching);
  if (!watch) throw new Error('LibraryProvider is missing');
  return watch;
}

/** The library as the stream tells it; views read parts of it through the hooks. */
export function useLibrary(): Library {
  const watch = useWatch();
  return useSyncExternalStore(watch.subscribe, watch.get, watch.get);
}

export function useConnection(): Connection {
  const watch = useWatch();
  const read = (): Connection => watch.get().connection;
  return useSyncExternalStore(watch.subscribe, read, read);
}
