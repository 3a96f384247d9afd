import { Button, Group, Popover, Stack, Textarea } from '@mantine/core';
import { IconClipboardText } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { keysOf } from '@/api/display';
import { displayText as words } from '@/text/display';

/** A text that is typed into a display key by key: a guest without a desktop has no clipboard. */
export function TypeText({ typed }: { typed: ((keys: readonly number[]) => void) | undefined }): ReactNode {
  const [open, setOpen] = useState(false);
  const [said, setSaid] = useState('');
  const send = (): void => {
    typed?.(keysOf(said));
    setSaid('');
    setOpen(false);
  };
  return (
    <Popover opened={open} onChange={setOpen} width={340} trapFocus returnFocus withArrow>
      <Popover.Target>
        <Button size="xs" variant="default" leftSection={<IconClipboardText size={14} aria-hidden />} disabled={!typed} onClick={() => setOpen((was) => !was)}>{words.paste}</Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={words.pasteTitle}>
        <Stack gap="xs">
          <Textarea label={words.pasteLabel} description={words.pasteHint} rows={4} value={said} onChange={(event) => setSaid(event.currentTarget.value)} data-autofocus />
          <Group justify="flex-end"><Button size="xs" disabled={!said} onClick={send}>{words.pasteSend}</Button></Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
