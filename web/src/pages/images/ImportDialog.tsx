import { Button, Group, Modal, NativeSelect, Stack, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { ErrorNote } from '@/components/Notes';
import { toast } from '@/components/Toasts';
import { useImportImage } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { useImagesSearch } from '@/pages/images/useImagesSearch';
import { text } from '@/text/en';

const words = text.importing;

/** Import from a URL. The server judges address, name and checksum; what it says stands in the dialog. */
export default function ImportDialog({ close }: { close: () => void }): ReactNode {
  const [, change] = useImagesSearch();
  const { nodes } = useNodes();
  const start = useImportImage();
  const [url, setUrl] = useState('');
  const [given, setName] = useState<string | undefined>(undefined);
  // The file's own, until another one is typed.
  const name = given ?? nameIn(url);
  const [checksum, setChecksum] = useState('');
  const [nodeId, setNodeId] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    start.mutate(
      { url: url.trim(), name: name.trim(), nodeId, ...proof(checksum) },
      {
        onSuccess: () => {
          toast(words.started(name.trim()));
          change({ tab: 'jobs', dialog: undefined });
        },
      },
    );
  };
  return (
    <Modal opened onClose={close} title={words.title} closeButtonProps={{ 'aria-label': text.close }}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput label={words.url} description={words.urlHint} type="url" required withAsterisk={false} data-autofocus value={url} onChange={(event) => setUrl(event.currentTarget.value)} />
          <TextInput label={words.name} description={words.nameHint} required withAsterisk={false} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label={words.checksum} description={words.checksumHint} value={checksum} onChange={(event) => setChecksum(event.currentTarget.value)} spellCheck={false} />
          <NativeSelect label={words.node} value={nodeId} onChange={(event) => setNodeId(event.currentTarget.value)} data={[{ value: '', label: text.images.anyNode }, ...nodes.map((node) => ({ value: node.id, label: node.hostname }))]} />
          <ErrorNote error={start.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {text.cancel}
            </Button>
            <Button type="submit" loading={start.isPending}>
              {words.start}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** What the one field for proofs holds: the address of a checksum file, or a digest whose length names its kind. */
export function proof(said: string): { checksumUrl?: string; checksum?: string; checksumType?: string } {
  const wanted = said.trim();
  if (!wanted) return {};
  if (wanted.includes('://')) return { checksumUrl: wanted };
  const [kind, digest] = wanted.includes(':') ? wanted.split(':', 2) : [wanted.length > 64 ? 'sha512' : 'sha256', wanted];
  return { checksum: digest ?? '', checksumType: kind ?? '' };
}

/** A name to begin with: the file's own, without its ending. */
export function nameIn(url: string): string {
  const file = url.split(/[?#]/)[0]?.split('/').at(-1) ?? '';
  return file.replace(/\.(qcow2|img|raw|vmdk|vhdx?)$/i, '').replace(/[^A-Za-z0-9.-]+/g, '-').slice(0, 60);
}
