import { Code, ConnectError } from '@connectrpc/connect';
import { text } from '@/text/en';

/** An error as a person reads it: the server's own sentence and remedy, or that there is no server. */
export function inWords(error: unknown): string {
  if (isUnreachable(error)) return text.connection.unreachable;
  if (error instanceof ConnectError) return error.rawMessage || text.errors.unknown;
  return error instanceof Error && error.message ? error.message : text.errors.unknown;
}

/** Whether nobody answered, as opposed to an answer that refuses. */
export function isUnreachable(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  if (!(error instanceof ConnectError)) return false;
  // connect-web gives what fetch itself threw as the cause, with the code unknown; a broken stream is "aborted".
  return error.code === Code.Unavailable || error.cause instanceof TypeError;
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}
