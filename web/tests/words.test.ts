import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { inWords, isUnreachable } from '@/api/errors';
import { formatAge, formatSeconds } from '@/hooks/format';
import { bytesIn, nameIn, proof } from '@/pages/images/ImportDialog';
import { filteredRows, rowsOf, sortedRows } from '@/pages/images/rows';
import { imagesSearch } from '@/pages/images/search';
import { ownPath } from '@/pages/SignIn';
import { text } from '@/text/en';
import { image } from './support';

test('an address is believed only where it is understood', () => {
  const given = { tab: 'local', q: 12, sort: 'size', desc: 'true', dialog: 'import', state: '', jobs: '<script>', more: 'x' };
  expect(imagesSearch(given)).toEqual({ tab: 'local', q: '12', sort: 'size', desc: true, dialog: 'import' });
  expect(imagesSearch({ tab: 'evil', desc: 'no', q: ['a'] })).toEqual({});
});

test.each(['//evil.example', 'https://evil.example', 'javascript:alert(1)', '/\\evil.example', '/sign-in', undefined])(
  'signing in never leads to %s',
  (to) => expect(ownPath(to)).toBe('/storage/images'),
);

test('signing in leads back to where one was', () => expect(ownPath('/vms/1?x=2')).toBe('/vms/1?x=2'));

test('the fields for proofs take digests and addresses', () => {
  expect(proof('')).toEqual({});
  expect(proof('a'.repeat(64))).toEqual({ checksum: 'a'.repeat(64), checksumType: 'sha256' });
  expect(proof('b'.repeat(128))).toEqual({ checksum: 'b'.repeat(128), checksumType: 'sha512' });
  expect(proof('sha512:abc')).toEqual({ checksum: 'abc', checksumType: 'sha512' });
  expect(proof('', ' https://x.example/SHA256SUMS ')).toEqual({ checksumUrl: 'https://x.example/SHA256SUMS' });
});

test.each([['', 0n], [' 448000000 ', 448_000_000n], ['12 MiB', undefined], ['-1', undefined]])('the size %j is %s bytes', (said, bytes) => expect(bytesIn(said)).toBe(bytes));

test('a name to begin with is the file’s own', () => {
  expect(nameIn('https://x.example/a/web server.qcow2?x=1#y')).toBe('web-server');
  expect(nameIn('')).toBe('');
});

test('errors are told in the server’s own words, or as no server', () => {
  expect(inWords(new ConnectError('The image is in use.', Code.FailedPrecondition))).toBe('The image is in use.');
  expect(inWords(new TypeError('Failed to fetch'))).toBe(text.connection.unreachable);
  expect(isUnreachable(new ConnectError('x', Code.Unavailable))).toBe(true);
  expect(isUnreachable(new ConnectError('x', Code.NotFound))).toBe(false);
});

test('times are short', () => {
  expect([formatSeconds(5), formatSeconds(200), formatSeconds(7500)]).toEqual(['5 s', '3 min', '2 h 5 min']);
  expect(formatAge(undefined)).toBe(text.unknown);
});

test('ten thousand images are filtered and sorted in less than fifty milliseconds', () => {
  const images = Array.from({ length: 10_000 }, (_, n) => image(`id-${n}`, `${n % 2 ? 'web' : 'db'}-server-${n}`));
  const rows = rowsOf(images, []);
  filteredRows(rows, { q: 'warm up' });
  const before = performance.now();
  const found = sortedRows(filteredRows(rows, { q: 'WEB 99' }), 'name', true);
  expect(performance.now() - before).toBeLessThan(50);
  expect(found.every(({ image: { name } }) => name.startsWith('web') && name.includes('99'))).toBe(true);
  expect(found.map(({ image: { name } }) => name)).toEqual([...found.map(({ image: { name } }) => name)].sort().reverse());
});
