import { createClient, type Transport } from '@connectrpc/connect';
import { ConsoleInfo_ConsoleType, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';

/** The way to a VM's display, once and soon, and what its server will ask for. */
export interface DisplayLine {
  url: string;
  password: string;
}

/** Why a display ended: the close frame's code and sentence (docs/consoles.md). */
export interface Ending {
  code: number;
  reason: string;
}

// The line broke, the server restarts, the node is away: it comes back by itself.
const PASSING = new Set([1001, 1006, 1012, 4503]);

/** Ask for a way in. */
export async function askForDisplay(transport: Transport, vmId: string): Promise<DisplayLine> {
  const told = await createClient(VMService, transport).getConsole({ vmId, consoleType: ConsoleInfo_ConsoleType.VNC });
  const { pathname, search } = new URL(told.websocketUrl);
  return { url: `${location.protocol.replace('http', 'ws')}//${location.host}${pathname}${search}`, password: told.password };
}

/** Whether it is tried again unasked; everything else waits for somebody. */
export function isPassing({ code }: Ending): boolean {
  return PASSING.has(code);
}

const ENTER = 0xff0d;
const TAB = 0xff09;
const UNICODE = 0x0100_0000;

/** The keys that write a text, as X11 numbers them: Latin-1 by its own numbers, all others by Unicode's. */
export function keysOf(said: string): number[] {
  return Array.from(said.replaceAll('\r\n', '\n'), (letter) => {
    const point = letter.codePointAt(0) ?? 0;
    if (letter === '\n' || letter === '\r') return ENTER;
    if (letter === '\t') return TAB;
    return (point >= 0x20 && point < 0x7f) || (point >= 0xa0 && point <= 0xff) ? point : UNICODE | point;
  });
}
