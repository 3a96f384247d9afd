import { create } from '@bufbuild/protobuf';
import { createRouterTransport } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { askForDisplay, isPassing, keysOf } from '@/api/display';
import { ConsoleInfo_ConsoleType, ConsoleInfoSchema, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';

test('a display is asked for at the server that the page came from', async () => {
  const transport = createRouterTransport((router) => {
    router.rpc(VMService.method.getConsole, ({ vmId, consoleType }) => {
      expect([vmId, consoleType]).toEqual(['vm-1', ConsoleInfo_ConsoleType.VNC]);
      return create(ConsoleInfoSchema, { websocketUrl: 'ws://inside:8006/vms/vm-1/console?ticket=t', password: 'one-time' });
    });
  });
  const line = await askForDisplay(transport, 'vm-1');
  expect(line).toEqual({ url: `ws://${location.host}/vms/vm-1/console?ticket=t`, password: 'one-time' });
});

test('what passes is tried again, what lasts waits for somebody', () => {
  const ends = (code: number): boolean => isPassing({ code, reason: '' });
  expect([1006, 1012, 4503].map(ends)).toEqual([true, true, true]);
  expect([1000, 4401, 4404, 4408, 4409, 4410, 4429, 4500].some(ends)).toBe(false);
});

test('a text is typed as X11 numbers its keys', () => {
  expect(keysOf('aÄ\r\n\t€')).toEqual([0x61, 0xc4, 0xff0d, 0xff09, 0x0100_20ac]);
  expect(keysOf('😀')).toEqual([0x0101_f600]);
});
