import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { VMService } from '@/gen/limiquantix/compute/v1/vm_pb';

/** Whether the console's bytes come; "waiting": the VM has not been started yet. */
export type LineState = 'connecting' | 'open' | 'waiting' | 'lost';

export interface SerialOptions {
  /** Milliseconds before the first and the last try to connect again. */
  firstRetry?: number;
  lastRetry?: number;
}

export interface SerialListener {
  bytes: (data: Uint8Array) => void;
  state: (state: LineState, error?: unknown) => void;
}

/**
 * Follow a VM's serial console from its beginning, for ever: where the line breaks off it goes on with the byte
 * that is missing, so nothing is lost and nothing shown twice. Ends when the signal says so.
 */
export async function followSerial(transport: Transport, vmId: string, listener: SerialListener, signal: AbortSignal, options: SerialOptions = {}): Promise<void> {
  const { firstRetry = 500, lastRetry = 5_000 } = options;
  const client = createClient(VMService, transport);
  // The next byte that is not shown yet.
  let next = 0n;
  let wait = firstRetry;
  while (!signal.aborted) {
    listener.state('connecting');
    let error: unknown;
    try {
      // From the last byte that is known: it comes at once and says that the line is open, though the guest be silent.
      const offset = next > 0n ? next - 1n : 0n;
      for await (const piece of client.readConsole({ vmId, offset, follow: true }, { signal })) {
        wait = firstRetry;
        listener.state('open');
        const known = next > piece.offset ? Number(next - piece.offset) : 0;
        if (known < piece.data.length) listener.bytes(piece.data.subarray(known));
        next = piece.offset + BigInt(Math.max(known, piece.data.length));
      }
    } catch (thrown) {
      error = thrown;
    }
    if (signal.aborted) return;
    const early = error instanceof ConnectError && error.code === Code.FailedPrecondition;
    listener.state(early ? 'waiting' : 'lost', error);
    await pause(wait, signal);
    wait = Math.min(wait * 2, lastRetry);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
