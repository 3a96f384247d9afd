import { Button, Code, CopyButton, Stack, Text } from '@mantine/core';
import { IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { VmStatus } from '@/gen/limiquantix/compute/v1/vm_pb';
import { text } from '@/text/en';
import { guestText as words } from '@/text/guest';

/** What was said when cloud-init's modules failed. It is the guest's own text, and shown as text. */
export function Failures({ status: { cloudInitFailures } }: { status: VmStatus }): ReactNode {
  return cloudInitFailures.map(({ module, lines }) => (
    <Code key={module} block tabIndex={0} role="region" aria-label={words.failed(module)}>
      {[`${module}:`, ...lines].join('\n')}
    </Code>
  ));
}

/** By which keys its SSH server is known, so that nobody has to believe the first one that answers. */
export function HostKeys({ status: { guest, sshHost, sshPort } }: { status: VmStatus }): ReactNode {
  if (!guest?.hostKeys.length) return null;
  return (
    <Stack gap={4} mt="sm" align="flex-start">
      <Text size="sm" c="dimmed">{words.keys}</Text>
      {guest.hostKeys.map(({ algorithm, fingerprint }) => (
        <Code key={algorithm} style={{ overflowWrap: 'anywhere' }}>{`${algorithm} ${fingerprint}`}</Code>
      ))}
      <CopyButton value={guest.hostKeys.map(({ line }) => `[${sshHost}]:${sshPort} ${line}\n`).join('')}>
        {({ copied, copy }) => (
          <Button size="xs" variant="default" leftSection={<IconCopy size={14} aria-hidden />} onClick={copy}>
            {copied ? text.copied : words.knownHosts}
          </Button>
        )}
      </CopyButton>
    </Stack>
  );
}
