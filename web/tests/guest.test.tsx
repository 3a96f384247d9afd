import { create } from '@bufbuild/protobuf';
import { cleanup, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { Failures, HostKeys } from '@/components/vm/GuestWords';
import { VmStatusSchema } from '@/gen/limiquantix/compute/v1/vm_pb';
import { guestText } from '@/text/guest';
import { rendered, Stream, transport } from './support';

afterEach(cleanup);

test('a failing module’s own lines are shown as text, under its name', () => {
  const hostile = '<img src=x onerror=alert(1)>';
  const status = create(VmStatusSchema, { cloudInitFailures: [{ module: 'ntp', lines: ['no server'] }, { module: 'scripts-user', lines: ['the disk is full', hostile] }] });
  rendered(<Failures status={status} />, transport(new Stream()));
  expect(screen.getByRole('region', { name: guestText.failed('ntp') }).textContent).toBe('ntp:\nno server');
  expect(screen.getByRole('region', { name: guestText.failed('scripts-user') }).textContent).toContain(hostile);
  expect(document.querySelector('img')).toBeNull();
});

test('host keys are shown by their fingerprints once a guest has reported them', () => {
  const key = { algorithm: 'ssh-ed25519', fingerprint: 'SHA256:abc', line: 'ssh-ed25519 AAAA' };
  const status = create(VmStatusSchema, { sshHost: '127.0.0.1', sshPort: 40022, guest: { hostKeys: [key] } });
  rendered(<HostKeys status={status} />, transport(new Stream()));
  expect(screen.getByText('ssh-ed25519 SHA256:abc')).toBeTruthy();
  expect(screen.getByRole('button', { name: guestText.knownHosts })).toBeTruthy();
});

test('a guest that reported nothing has no keys to show', () => {
  rendered(<HostKeys status={create(VmStatusSchema)} />, transport(new Stream()));
  expect(screen.queryByText(guestText.keys)).toBeNull();
});
