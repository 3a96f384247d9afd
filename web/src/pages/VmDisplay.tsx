import { useTransport } from '@connectrpc/connect-query';
import { Alert, Anchor, Badge, Button, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useFullscreenElement } from '@mantine/hooks';
import { IconArrowLeft, IconKeyboard, IconMaximize, IconTerminal2 } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import { type ReactNode, Suspense, useCallback, useEffect, useState } from 'react';
import { later } from '@/components/later';
import { askForDisplay, type DisplayLine, type Ending, isPassing } from '@/api/display';
import { inWords, isUnreachable } from '@/api/errors';
import { Pending } from '@/components/Edges';
import { EmptyNote } from '@/components/Notes';
import { useVm } from '@/hooks/useMachines';
import type { DisplayHandle } from '@/pages/vm/DisplayScreen';
import { TypeText } from '@/pages/vm/TypeText';
import { displayText as words } from '@/text/display';
import { text } from '@/text/en';

const DisplayScreen = later(() => import('@/pages/vm/DisplayScreen'));
const COLORS = { connecting: 'gray', open: 'teal', lost: 'orange', ended: 'gray' } as const;
const FIRST_RETRY = 500;
const LAST_RETRY = 5_000;

/** A VM's display: what a screen at the machine would show, and its keyboard and mouse. */
export default function VmDisplay(): ReactNode {
  const { vmId } = useParams({ from: '/inside/vms/$vmId/display' });
  const { vm, isLoading } = useVm(vmId);
  if (isLoading) return <Pending />;
  if (!vm) {
    return (
      <EmptyNote title={text.vms.gone} hint={text.vms.goneHint}>
        <Link to="/vms">{text.vms.title}</Link>
      </EmptyNote>
    );
  }
  return <Display key={vm.id} id={vm.id} name={vm.name} />;
}

function Display({ id, name }: { id: string; name: string }): ReactNode {
  const { line, display, state, why, opened, refused, ended, again } = useDisplay(id);
  const { ref, toggle } = useFullscreenElement<HTMLDivElement>();
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
          <Button size="xs" variant="default" leftSection={<IconTerminal2 size={14} aria-hidden />} renderRoot={(props) => <Link to="/vms/$vmId/console" params={{ vmId: id }} {...props} />}>{words.console}</Button>
          <TypeText typed={display?.type} />
          <Button size="xs" variant="default" leftSection={<IconKeyboard size={14} aria-hidden />} disabled={!display} onClick={display?.ctrlAltDel}>{words.ctrlAltDel}</Button>
          <Button size="xs" variant="default" leftSection={<IconMaximize size={14} aria-hidden />} onClick={() => void toggle()}>{words.full}</Button>
        </Group>
      </Group>
      <Text size="sm" c="dimmed">{words.intro}</Text>
      {why && (
        <Alert color="orange" role="alert">
          <Group justify="space-between">
            <span>{why}</span>
            {state === 'ended' && <Button size="xs" variant="default" onClick={again}>{words.again}</Button>}
          </Group>
        </Alert>
      )}
      <section ref={ref} aria-label={words.title(name)} className="console">
        <Suspense fallback={<Skeleton height="100%" />}>
          {line && <DisplayScreen label={words.label(name)} line={line} opened={opened} refused={refused} ended={ended} />}
        </Suspense>
      </section>
    </Stack>
  );
}

/** One line after the other: each with a ticket and a password of its own. */
function useDisplay(id: string) {
  const transport = useTransport();
  const [attempt, setAttempt] = useState(0);
  const [failures, setFailures] = useState(0);
  const [line, setLine] = useState<DisplayLine>();
  const [display, setDisplay] = useState<DisplayHandle>();
  const [state, setState] = useState<keyof typeof words.state>('connecting');
  const [why, setWhy] = useState('');

  const end = useCallback((said: string, passing: boolean) => {
    setDisplay(undefined);
    setLine(undefined);
    setWhy((known) => (known === words.refusedPassword ? known : said));
    setState(passing ? 'lost' : 'ended');
    if (passing) setFailures((count) => count + 1);
  }, []);
  useEffect(() => {
    let left = false;
    askForDisplay(transport, id).then(
      (asked) => { if (!left) setLine(asked); },
      (error: unknown) => { if (!left) end(inWords(error), isUnreachable(error)); },
    );
    return () => { left = true; };
  }, [transport, id, attempt, end]);

  const again = useCallback(() => {
    setState('connecting');
    setWhy('');
    setAttempt((count) => count + 1);
  }, []);

  useEffect(() => {
    if (state !== 'lost') return undefined;
    const timer = setTimeout(again, Math.min(FIRST_RETRY * 2 ** (failures - 1), LAST_RETRY));
    return () => clearTimeout(timer);
  }, [state, failures, again]);

  const opened = useCallback((made: DisplayHandle) => {
    setDisplay(made);
    setFailures(0);
    setState('open');
    setWhy('');
  }, []);
  const refused = useCallback(() => setWhy(words.refusedPassword), []);
  const ended = useCallback((how: Ending) => end(sentence(how), isPassing(how)), [end]);
  return { line, display, state, why, opened, refused, ended, again };
}

function sentence({ code, reason }: Ending): string {
  return reason || words.endings[code] || words.unknownEnding(code);
}
