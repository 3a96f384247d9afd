import { Button, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import { text } from '@/text/en';
import { disksText as words } from '@/text/disks';

interface Frame {
  title: string;
  hint?: string;
  busy: boolean;
  error: unknown;
  close: () => void;
}

/** What every question about a disk has: why, what went wrong, and the two ways out. */
function Question({ title, hint, busy, error, close, action, ready, danger = false, confirm, children }: Frame & { action: string; ready: boolean; danger?: boolean; confirm: () => void; children?: ReactNode }): ReactNode {
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (ready) confirm();
  };
  return (
    <Dialog close={close} title={title}>
      <form onSubmit={submit}>
        <Stack>
          {hint && <Text size="sm">{hint}</Text>}
          {children}
          <ErrorNote error={error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{text.cancel}</Button>
            <Button type="submit" {...(danger ? { color: 'red' } : {})} disabled={!ready} loading={busy}>{action}</Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

export function ConfirmDialog({ confirm, ...frame }: Frame & { confirm: () => void }): ReactNode {
  return <Question {...frame} action={words.begin} ready confirm={confirm} />;
}

/** Asks for the name of what is lost. */
export function DestroyDialog({ typed: wanted, action, confirm, ...frame }: Frame & { typed: string; action: string; confirm: () => void }): ReactNode {
  const [typed, setTyped] = useState('');
  return (
    <Question {...frame} action={action} danger ready={typed === wanted} confirm={confirm}>
      <TextInput label={words.typeVm(wanted)} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} data-autofocus autoComplete="off" spellCheck={false} />
    </Question>
  );
}

export function SnapshotDialog({ confirm, ...frame }: Frame & { confirm: (name: string) => void }): ReactNode {
  const [name, setName] = useState('');
  return (
    <Question {...frame} action={words.create} ready={/^[A-Za-z0-9][\w.-]{0,62}$/.test(name)} confirm={() => confirm(name)}>
      <TextInput label={words.name} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus autoComplete="off" spellCheck={false} />
    </Question>
  );
}

export function GrowDialog({ now, confirm, ...frame }: Frame & { now: number; confirm: (gib: number) => void }): ReactNode {
  const [gib, setGib] = useState<number | string>(now + 10);
  const size = Number(gib);
  return (
    <Question {...frame} hint={words.growHint} action={words.grow} ready={Number.isInteger(size) && size > now} confirm={() => confirm(size)}>
      <NumberInput label={words.growSize} value={gib} onChange={setGib} min={now + 1} allowDecimal={false} data-autofocus />
    </Question>
  );
}
