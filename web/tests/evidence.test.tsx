import { create } from '@bufbuild/protobuf';
import { cleanup, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { provedHow } from '@/components/TrustBadge';
import { CatalogStateSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import { ConvertedFromSchema, TrustEvidenceSchema, TrustLevel } from '@/gen/limiquantix/storage/v1/trust_pb';
import { Conversion, Evidence } from '@/pages/image/Facts';
import CatalogWarning from '@/pages/images/CatalogWarning';
import { image, rendered, Stream, transport } from './support';

afterEach(cleanup);

const KEY = 'D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81';
const GROUPS = 'D2EB 4462 6FDD C30B 513D 5BB7 1A5D 6C4C 7DB8 7C81';

test('a signed level names the key and its owner, another one does not', () => {
  expect(provedHow(TrustLevel.SIGNED, { keyOwner: 'Ubuntu', keyFingerprint: KEY })).toContain(`Signed by Ubuntu (${GROUPS}).`);
  expect(provedHow(TrustLevel.CHECKSUM, { keyOwner: 'Ubuntu', keyFingerprint: KEY })).not.toContain('Ubuntu');
});

test('a digest that was given with an import is no publisher’s file', () => {
  const nobody = { keyOwner: '', keyFingerprint: '' };
  expect(provedHow(TrustLevel.CHECKSUM, { ...nobody, source: 'import' })).toContain('given with it');
  expect(provedHow(TrustLevel.CHECKSUM, { ...nobody, source: 'https://example.org/SUMS' })).toContain('the publisher serves');
});

test('an appliance tells of its machine', () => {
  const made = image('1', 'made');
  if (made.status) {
    const hardware = { cpus: 4, memoryMib: 2048n, osType: 'Debian' };
    made.status.convertedFrom = create(ConvertedFromSchema, { format: 'ova', digest: 'sha256:came', hardware });
  }
  rendered(<Conversion image={made} />, transport(new Stream()));
  expect(screen.getByText('4 CPUs, 2048 MiB of memory, Debian')).toBeTruthy();
});

test('the evidence of a signed image shows owner and fingerprint', () => {
  const signed = image('1', 'ubuntu');
  if (signed.status) {
    signed.status.trust = TrustLevel.SIGNED;
    signed.status.evidence = create(TrustEvidenceSchema, { expected: 'ab', actual: 'ab', keyOwner: 'Ubuntu Cloud', keyFingerprint: KEY });
  }
  rendered(<Evidence image={signed} />, transport(new Stream()));
  for (const words of ['Signed', 'Ubuntu Cloud', GROUPS]) expect(screen.getByText(words)).toBeTruthy();
});

test('a converted image shows both digests', () => {
  const made = image('1', 'made');
  if (made.status) {
    made.status.digest = 'sha256:stored';
    made.status.convertedFrom = create(ConvertedFromSchema, { format: 'vmdk', packing: 'xz', digest: 'sha256:came', sizeBytes: 1024n });
  }
  rendered(<Conversion image={made} />, transport(new Stream()));
  for (const words of ['sha256:stored', 'sha256:came', 'vmdk, compressed with xz', '1.0 KiB']) expect(screen.getByText(words)).toBeTruthy();
});

test('an expired catalog is called that, with what the server says of it', () => {
  const state = create(CatalogStateSchema, { age: 'stale', version: 7, written: '2026-01-01', expires: '2026-04-01', warning: 'Refresh it.' });
  rendered(<CatalogWarning state={state} />, transport(new Stream()));
  expect(screen.getByRole('status').textContent).toContain('The signed catalog has expired');
  expect(screen.getByText('Refresh it.')).toBeTruthy();
  expect(screen.getByText(/version 7/)).toBeTruthy();
});
