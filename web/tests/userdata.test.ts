import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { hintOf, pathAt, typesOf } from '@/components/vm/yaml/keys';
import { parseProblems, serverProblems } from '@/components/vm/yaml/problems';
import { type Finding, FindingSchema, Finding_Severity as Severity } from '@/gen/limiquantix/compute/v1/vm_pb';

const TEXT = `#cloud-config
users:
  - name: ada
    shell: 5
write_files:
- path: /etc/motd
  content: hello
`;

const finding = (message: string, severity = Severity.BLOCKER, field = 'user_data'): Finding => create(FindingSchema, { message, severity, field });

test.each([
  [3, ['users']],
  [2, ['users']],
  [6, ['write_files']],
  [5, ['write_files']],
  [4, []],
])('line %i stands below %j', (line, path) => expect(pathAt(TEXT.split('\n'), line)).toEqual(path));

test('the schema tells which keys and values there are', () => {
  expect(Object.keys(hintOf(['users'])?.keys ?? {})).toContain('ssh_authorized_keys');
  expect(hintOf(['write_files', 'encoding'])?.oneOf).toContain('gzip');
  expect(typesOf(hintOf(['write_files', 'append']) ?? {})).toBe('boolean');
  expect(hintOf(['no-such', 'key'])).toBeUndefined();
});

test('what is no YAML is told at its place', () => {
  const [problem] = parseProblems('#cloud-config\npackages: [git\n');
  expect(problem).toMatchObject({ severity: 'error' });
  expect(problem?.line).toBeGreaterThanOrEqual(2);
  expect(parseProblems('#cloud-config\na: 1\na: 2\n')).toHaveLength(1);
  expect(parseProblems(TEXT)).toEqual([]);
});

test.each(['#!/bin/sh\necho "[', '#cloud-config-archive\n- [', 'Content-Type: multipart/mixed'])('%j is not judged as YAML', (text) => expect(parseProblems(text)).toEqual([]));

test('the server’s findings stand where they say', () => {
  const said = serverProblems(TEXT, [
    finding('users.0.shell is not of type string.'),
    finding('write_files.0.nonsense is not known to cloud-init.', Severity.WARNING),
    finding('The user-data holds a password in plain.', Severity.WARNING),
    finding('fine', Severity.INFO),
    finding('The MTU is wrong.', Severity.BLOCKER, 'spec.nics.mtu'),
  ]);
  expect(said.map(({ line, severity }) => [line, severity])).toEqual([[4, 'error'], [6, 'warning'], [1, 'warning']]);
  expect(TEXT.slice(said[0]?.from, said[0]?.to)).toBe('shell');
});
