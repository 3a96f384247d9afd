import { useTransport } from '@connectrpc/connect-query';
import { Alert, Anchor, Badge, Button, CopyButton, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useFullscreenElement } from '@mantine/hooks';
import { IconArrowLeft, IconCopy, IconDownload, IconMaximize } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import { type ReactNode, Suspense, useCallback, useRef, useState } from 'react';
import { later } from '@/components/later';
import { inWords } from '@/api/errors';
import { followSerial, type LineState } from '@/api/serial';
import { type Typing, typingTo } from '@/api/typing';
import { Pending } from '@/components/Edges';
import { EmptyNote } from '@/components/Notes';
import { useVm } from '@/hooks/useMachines';
import type { TerminalHandle } from '@/pages/vm/SerialTerminal';
import { consoleText as words } from '@/text/console';
import { text } from '@/text/en';

const SerialTerminal = later(() => import('@/pages/vm/SerialTerminal'));
const COLORS: Record<LineState, string> = { connecting: 'gray', open: 'teal', waiting: 'indigo', lost: 'orange' };

/** A VM's serial port: what the guest writes, live, and what is typed to it. */
export default function VmConsole(): ReactNode {
  const { vmId } = useParams({ from: '/inside/vms/$vmId/console' });
  const { vm, isLoading } = useVm(vmId);
  if (isLoading) return <Pending />;
  if (!vm) {
    return (
      <EmptyNote title={text.vms.gone} hint={text.vms.goneHint} order={1}>
        <Link to="/vms">{text.vms.title}</Link>
      </EmptyNote>
    );
  }
  return <Console key={vm.id} id={vm.id} name={vm.name} />;
}

function Console({ id, name }: { id: string; name: string }): ReactNode {
  const transport = useTransport();
  const terminal = useRef<TerminalHandle | undefined>(undefined);
  const typing = useRef<Typing | undefined>(undefined);
  const [state, setState] = useState<LineState>('connecting');
  const [refused, setRefused] = useState<unknown>();
  const { ref, toggle } = useFullscreenElement<HTMLDivElement>();
  const ready = useCallback(
    (made: TerminalHandle) => {
      terminal.current = made;
      const stopping = new AbortController();
      typing.current = typingTo(transport, id, setRefused);
      void followSerial(transport, id, { bytes: made.write, state: setState }, stopping.signal);
      return () => {
        terminal.current = undefined;
        typing.current?.stop();
        stopping.abort();
      };
    },
    [transport, id],
  );
  const typed = useCallback((keys: string) => {
    setRefused(undefined);
    typing.current?.send(keys);
  }, []);
  return (
    <Stack gap="sm">
      <Anchor renderRoot={(props) => <Link to="/vms/$vmId" params={{ vmId: id }} {...props} />} size="sm">
        <Group gap={4}><IconArrowLeft size={14} aria-hidden />{words.back}</Group>
      </Anchor>
      <Group justify="space-between">
        <Group gap="sm">
          <Title order={1} size="h2">{words.title(name)}</Title>
          <Badge role="status" variant="light" tt="none" color={COLORS[state]}>{words.state[state]}</Badge>
        </Group>
        <Group gap="xs">
          <CopyText read={() => terminal.current?.copy() ?? ''} />
          <Button size="xs" variant="default" leftSection={<IconDownload size={14} aria-hidden />} onClick={() => save(words.file(name), terminal.current?.copy() ?? '')}>{words.save}</Button>
          <Button size="xs" variant="default" leftSection={<IconMaximize size={14} aria-hidden />} onClick={() => void toggle()}>{words.full}</Button>
        </Group>
      </Group>
      <Text size="sm" c="dimmed">{words.intro}</Text>
      {refused !== undefined && <Alert color="orange" role="alert">{words.refused} {inWords(refused)}</Alert>}
      <section ref={ref} aria-label={words.label(name)} className="console">
        <Suspense fallback={<Skeleton height="100%" />}>
          <SerialTerminal label={words.label(name)} typed={typed} ready={ready} />
        </Suspense>
      </section>
    </Stack>
  );
}

/** The text is read when it is asked for: it is long, and grows. */
function CopyText({ read }: { read: () => string }): ReactNode {
  const [said, setSaid] = useState('');
  return (
    <CopyButton value={said}>
      {({ copied, copy }) => (
        <Button size="xs" variant="default" leftSection={<IconCopy size={14} aria-hidden />} onPointerDown={() => setSaid(read())} onFocus={() => setSaid(read())} onClick={copy}>
          {copied ? text.copied : words.copy}
        </Button>
      )}
    </CopyButton>
  );
}

function save(file: string, said: string): void {
  const url = URL.createObjectURL(new Blob([said], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = file;
  link.click();
  URL.revokeObjectURL(url);
}
