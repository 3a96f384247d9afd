import { Button, Group, NativeSelect, Stack, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import { toast } from '@/components/Toasts';
import { useImportImage } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { COMPRESSIONS, FORMATS } from '@/pages/images/formats';
import { useImagesSearch } from '@/pages/images/useImagesSearch';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const words = imageText.importing;
const TARGETS = [{ value: '', label: words.targetUsual }, { value: 'same', label: words.targetSame }, ...FORMATS.map((format) => ({ value: format, label: format }))];

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
  const [checksumUrl, setChecksumUrl] = useState('');
  const [size, setSize] = useState('');
  const [target, setTarget] = useState('');
  const [compression, setCompression] = useState('');
  const compressible = target === '' || target === 'qcow2';
  const sizeBytes = bytesIn(size);
  const [nodeId, setNodeId] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (sizeBytes === undefined) return;
    start.mutate(
      { url: url.trim(), name: name.trim(), nodeId, sizeBytes, targetFormat: target, targetCompression: compressible ? compression : '', ...proof(checksum, checksumUrl) },
      {
        onSuccess: () => {
          toast(words.started(name.trim()));
          change({ tab: 'jobs', dialog: undefined });
        },
      },
    );
  };
  return (
    <Dialog close={close} title={words.title}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput label={words.url} description={words.urlHint} type="url" required withAsterisk={false} data-autofocus value={url} onChange={(event) => setUrl(event.currentTarget.value)} />
          <TextInput label={words.name} description={words.nameHint} required withAsterisk={false} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label={words.checksum} description={words.checksumHint} value={checksum} onChange={(event) => setChecksum(event.currentTarget.value)} spellCheck={false} />
          <TextInput label={words.checksumUrl} description={words.checksumUrlHint} type="url" value={checksumUrl} onChange={(event) => setChecksumUrl(event.currentTarget.value)} />
          <TextInput label={words.size} description={words.sizeHint} inputMode="numeric" value={size} error={sizeBytes === undefined && words.sizeWrong} onChange={(event) => setSize(event.currentTarget.value)} />
          <NativeSelect label={words.target} value={target} onChange={(event) => setTarget(event.currentTarget.value)} data={TARGETS} />
          {compressible && <NativeSelect label={words.compression} value={compression} onChange={(event) => setCompression(event.currentTarget.value)} data={COMPRESSIONS} />}
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
    </Dialog>
  );
}

/** What the fields for proofs hold: the address of a checksum file, and a digest whose length names its kind. */
export function proof(said: string, file = ''): { checksumUrl?: string; checksum?: string; checksumType?: string } {
  const wanted = said.trim();
  const checksumUrl = file.trim();
  if (!wanted) return checksumUrl ? { checksumUrl } : {};
  const [kind, digest] = wanted.includes(':') ? wanted.split(':', 2) : [wanted.length > 64 ? 'sha512' : 'sha256', wanted];
  return { checksum: digest ?? '', checksumType: kind ?? '', ...(checksumUrl && { checksumUrl }) };
}

/** 0n where nothing is said, undefined where it is no number of bytes. */
export function bytesIn(said: string): bigint | undefined {
  const wanted = said.trim();
  return /^\d{0,18}$/.test(wanted) ? BigInt(wanted || 0) : undefined;
}

/** A name to begin with: the file's own, without its ending. */
export function nameIn(url: string): string {
  const file = url.split(/[?#]/)[0]?.split('/').at(-1) ?? '';
  return file.replace(/\.(gz|xz|zst|bz2)$/i, '').replace(/\.(qcow2|img|raw|vmdk|vhdx?|vdi|iso)$/i, '').replace(/[^A-Za-z0-9.-]+/g, '-').slice(0, 60);
}
