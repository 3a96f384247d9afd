import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test, vi } from 'vitest';
import { LibraryWatch } from '@/api/watch';
import { image, QUICK, Stream, transport } from './support';

function watching(): { stream: Stream; watch: LibraryWatch } {
  const stream = new Stream();
  const watch = new LibraryWatch(transport(stream), QUICK);
  watch.start();
  return { stream, watch };
}

const names = (watch: LibraryWatch): string[] => watch.get().images.map(({ name }) => name);

test('it is live once everything has been said', async () => {
  const { stream, watch } = watching();
  stream.say({ sequence: 3n, change: { case: 'image', value: image('1', 'debian-12') } });
  await vi.waitFor(() => expect(names(watch)).toEqual(['debian-12']));
  expect(watch.get()).toMatchObject({ connection: 'connecting', complete: false });
  stream.say({ sequence: 3n, change: { case: 'upToDate', value: true } });
  await vi.waitFor(() => expect(watch.get()).toMatchObject({ connection: 'live', complete: true }));
  watch.stop();
});

test('it goes on where the stream broke off, and keeps what it knows', async () => {
  const { stream, watch } = watching();
  stream.say(
    { sequence: 7n, change: { case: 'image', value: image('1', 'debian-12') } },
    { sequence: 7n, change: { case: 'upToDate', value: true } },
    new ConnectError('gone', Code.Unavailable),
  );
  await vi.waitFor(() => expect(stream.asked).toEqual([0n, 7n]));
  expect(names(watch)).toEqual(['debian-12']);
  stream.say({ sequence: 8n, change: { case: 'removed', value: { kind: 'image', id: '1' } } }, { sequence: 8n, change: { case: 'upToDate', value: true } });
  await vi.waitFor(() => expect(names(watch)).toEqual([]));
  expect(watch.get().connection).toBe('live');
  watch.stop();
});

test('a server that ends its stream in good order is lost too', async () => {
  const { stream, watch } = watching();
  const seen: string[] = [];
  watch.subscribe(() => seen.push(watch.get().connection));
  stream.say({ sequence: 1n, change: { case: 'upToDate', value: true } }, undefined);
  await vi.waitFor(() => expect(seen).toContain('lost'));
  watch.stop();
});

test('after a reset, what is not named is gone', async () => {
  const { stream, watch } = watching();
  stream.say(
    { sequence: 1n, change: { case: 'image', value: image('1', 'old') } },
    { sequence: 2n, change: { case: 'image', value: image('2', 'kept') } },
    { sequence: 2n, change: { case: 'upToDate', value: true } },
    { sequence: 0n, change: { case: 'reset', value: true } },
    { sequence: 1n, change: { case: 'image', value: image('2', 'kept') } },
    { sequence: 1n, change: { case: 'upToDate', value: true } },
  );
  await vi.waitFor(() => expect(names(watch)).toEqual(['kept']));
  watch.stop();
});

test('a reset that breaks off in the middle forgets nothing', async () => {
  const { stream, watch } = watching();
  stream.say(
    { sequence: 2n, change: { case: 'image', value: image('1', 'kept') } },
    { sequence: 2n, change: { case: 'upToDate', value: true } },
    { sequence: 0n, change: { case: 'reset', value: true } },
    new ConnectError('gone', Code.Unavailable),
    { sequence: 2n, change: { case: 'upToDate', value: true } },
  );
  await vi.waitFor(() => expect(stream.asked).toHaveLength(2));
  await vi.waitFor(() => expect(watch.get().connection).toBe('live'));
  expect(names(watch)).toEqual(['kept']);
  watch.stop();
});

test('VMs are told too, newest first, until they are gone', async () => {
  const { stream, watch } = watching();
  const vm = (id: string, seconds: bigint) => ({ id, name: id, createdAt: { seconds, nanos: 0 } });
  stream.say(
    { sequence: 1n, change: { case: 'vm', value: vm('old', 1n) } },
    { sequence: 2n, change: { case: 'vm', value: vm('new', 2n) } },
    { sequence: 2n, change: { case: 'upToDate', value: true } },
  );
  await vi.waitFor(() => expect(watch.get().vms.map(({ id }) => id)).toEqual(['new', 'old']));
  expect(stream.kinds).toEqual([['image', 'job', 'node', 'vm']]);
  stream.say({ sequence: 3n, change: { case: 'removed', value: { kind: 'vm', id: 'old' } } }, { sequence: 4n, change: { case: 'removed', value: { kind: 'cloud', id: 'new' } } });
  await vi.waitFor(() => expect(watch.get().vms.map(({ id }) => id)).toEqual(['new']));
  watch.stop();
});

test('who is signed out is not merely disconnected', async () => {
  const { stream, watch } = watching();
  stream.say(new ConnectError('who are you', Code.Unauthenticated));
  await vi.waitFor(() => expect(watch.get().connection).toBe('signed-out'));
  watch.stop();
});
