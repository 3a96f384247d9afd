import { createClient, type Transport } from '@connectrpc/connect';
import { ConsoleInfo_ConsoleType, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';

export interface Typing {
  send: (keys: string) => void;
  stop: () => void;
}

/**
 * The way to a VM's serial console, opened with the first keys and again after it has ended (docs/consoles.md).
 * What the guest writes comes another way, whole and from its beginning; here it is passed over.
 */
export function typingTo(transport: Transport, vmId: string, failed: (error: unknown) => void): Typing {
  const client = createClient(VMService, transport);
  let socket: Promise<WebSocket> | undefined;
  let stopped = false;

  const open = async (): Promise<WebSocket> => {
    const { websocketUrl } = await client.getConsole({ vmId, consoleType: ConsoleInfo_ConsoleType.SERIAL });
    const { pathname, search } = new URL(websocketUrl);
    const made = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}${pathname}${search}`);
    await new Promise<void>((resolve, reject) => {
      made.addEventListener('open', () => resolve(), { once: true });
      made.addEventListener('close', ({ reason }) => {
        socket = undefined;
        reject(new Error(reason));
      }, { once: true });
    });
    if (stopped) made.close();
    return made;
  };

  return {
    // A promise keeps keys in their order while the way is being opened.
    send: (keys) => {
      socket ??= open();
      void socket.then((ready) => ready.send(keys)).catch((error: unknown) => {
        socket = undefined;
        failed(error);
      });
    },
    stop: () => {
      stopped = true;
      void socket?.then((ready) => ready.close()).catch(() => undefined);
    },
  };
}
