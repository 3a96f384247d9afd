import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { expect, test, vi } from 'vitest';
import { followSerial } from '@/api/serial';
import { ConsoleOutputSchema, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';

const QUICK = { firstRetry: 1, lastRetry: 2 };

/** A console that holds this text, and breaks each line off after so many bytes. */
function console(said: string, after: number, refusals: ConnectError[] = []) {
  const bytes = new TextEncoder().encode(said);
  const asked: bigint[] = [];
  const transport = createRouterTransport((router) => {
    router.rpc(VMService.method.readConsole, async function* ({ offset, follow }, { signal }) {
      asked.push(offset);
      expect(follow).toBe(true);
      const refusal = refusals.shift();
      if (refusal) throw refusal;
      const data = bytes.subarray(Number(offset), Number(offset) + after);
      if (data.length) yield create(ConsoleOutputSchema, { offset, data });
      if (Number(offset) + after < bytes.length) throw new ConnectError('gone', Code.Unavailable);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
  });
  return { transport, asked };
}

async function followed({ transport }: ReturnType<typeof console>, whole: string) {
  const stopping = new AbortController();
  const states: string[] = [];
  let shown = '';
  const done = followSerial(transport, 'vm-1', { bytes: (data) => { shown += new TextDecoder().decode(data); }, state: (state) => states.push(state) }, stopping.signal, QUICK);
  await vi.waitFor(() => expect(shown).toBe(whole));
  await vi.waitFor(() => expect(states.at(-1)).toBe('open'));
  stopping.abort();
  await done;
  return states;
}

test('a line that breaks off goes on where it was: nothing is missing and nothing shown twice', async () => {
  const server = console('GRUB loading\nlogin: ', 6);
  const states = await followed(server, 'GRUB loading\nlogin: ');
  expect(server.asked).toEqual([0n, 5n, 10n, 15n]);
  expect(states).toContain('lost');
});

test('a VM that has not been started is waited for', async () => {
  const states = await followed(console('hello', 99, [new ConnectError('not started', Code.FailedPrecondition)]), 'hello');
  expect(states).toEqual(['connecting', 'waiting', 'connecting', 'open']);
});
