import { createConnectTransport } from '@connectrpc/connect-web';
import { QueryClient } from '@tanstack/react-query';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';

/** Calls go to the server that the page came from; the session's cookie travels by itself. */
export const serverTransport: Transport = createConnectTransport({
  baseUrl: typeof location === 'undefined' ? 'http://localhost' : location.origin,
  useBinaryFormat: true,
});

// What trying again does not mend.
const LASTING = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.PermissionDenied,
  Code.FailedPrecondition,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (count, error) => count < 2 && !LASTING.has(ConnectError.from(error).code),
        retryDelay: (count) => 500 * 2 ** count,
      },
    },
  });
}
