import { Alert, Button, Group, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconInbox } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { inWords } from '@/api/errors';
import { text } from '@/text/en';

/** What went wrong, beside what caused it, with a way to try again. */
export function ErrorNote({ error, title, retry }: { error: unknown; title?: string; retry?: () => void }): ReactNode {
  if (!error) return null;
  return (
    <Alert role="alert" color="red" variant="light" icon={<IconAlertTriangle aria-hidden />} title={title ?? text.errors.title}>
      <Text size="sm" c="inherit" style={{ overflowWrap: 'anywhere' }}>
        {typeof error === 'string' ? error : inWords(error)}
      </Text>
      {retry && (
        <Group mt="xs">
          <Button size="xs" variant="default" onClick={retry}>
            {text.retry}
          </Button>
        </Group>
      )}
    </Alert>
  );
}

/** Nothing there yet, and what to do about it; of order 1 where it is the whole page. */
export function EmptyNote({ title, hint, order = 2, children }: { title: string; hint: string; order?: 1 | 2; children?: ReactNode }): ReactNode {
  return (
    <Stack align="center" gap="xs" py={56} px="md" ta="center">
      <IconInbox size={44} stroke={1.2} aria-hidden />
      <Title order={order} size="h4">
        {title}
      </Title>
      <Text c="dimmed" maw={520}>
        {hint}
      </Text>
      {children}
    </Stack>
  );
}

/** A page's heading with what can be done on it. */
export function PageHead({ title, intro, children }: { title: string; intro?: string; children?: ReactNode }): ReactNode {
  return (
    <Group justify="space-between" align="flex-end" mb="md" gap="sm">
      <div>
        <Title order={1} size="h2">
          {title}
        </Title>
        {intro && <Text c="dimmed">{intro}</Text>}
      </div>
      <Group gap="xs">{children}</Group>
    </Group>
  );
}
