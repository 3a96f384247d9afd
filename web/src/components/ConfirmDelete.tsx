import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import { text } from '@/text/en';

interface Props {
  title: string;
  warning: string;
  /** What is to be typed. */
  name: string;
  busy: boolean;
  error: unknown;
  close: () => void;
  confirm: () => void;
}

/** Nothing is deleted by one click: its name is typed first. */
export function ConfirmDelete({ title, warning, name, busy, error, close, confirm }: Props): ReactNode {
  const [typed, setTyped] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    confirm();
  };
  return (
    <Dialog close={close} title={title}>
      <form onSubmit={submit}>
        <Stack>
          <Text>{warning}</Text>
          <TextInput label={text.deleting.typeName(name)} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} data-autofocus autoComplete="off" spellCheck={false} />
          <ErrorNote error={error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{text.cancel}</Button>
            <Button type="submit" color="red" disabled={typed !== name} loading={busy}>{text.deleting.confirm}</Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
