import { Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { JobProgress } from '@/components/JobProgress';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import { type Image, ImageSpec_Format } from '@/gen/limiquantix/storage/v1/image_pb';
import { useConvertImage, useImportStatus } from '@/hooks/useImages';
import { COMPRESSIONS, FORMATS } from '@/pages/images/formats';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const words = imageText.converting;

/** Makes a new image of one that is there, and follows the job that does it. */
export default function ConvertDialog({ image, close }: { image: Image; close: () => void }): ReactNode {
  const own = ImageSpec_Format[image.spec?.format ?? 0]?.toLowerCase();
  const convert = useConvertImage();
  const { status } = useImportStatus(convert.data?.jobId);
  const [format, setFormat] = useState<string>(FORMATS.find((one) => one !== own) ?? 'qcow2');
  const [compression, setCompression] = useState('');
  const [name, setName] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    convert.mutate({ image: image.id, format, compression: format === 'qcow2' ? compression : '', name: name.trim() });
  };
  const job = status ?? convert.data;
  return (
    <Dialog close={close} title={words.title(image.name)}>
      {job ? (
        <Stack>
          <JobProgress job={job} />
          <Text size="sm" c="dimmed">{words.goesOn}</Text>
          <Group justify="flex-end"><Button variant="default" onClick={close}>{text.close}</Button></Group>
        </Stack>
      ) : (
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">{words.intro}</Text>
            <NativeSelect data-autofocus label={words.format} value={format} data={[...FORMATS]} onChange={(event) => setFormat(event.currentTarget.value)} />
            {format === 'qcow2' && <NativeSelect label={words.compression} value={compression} data={COMPRESSIONS} onChange={(event) => setCompression(event.currentTarget.value)} />}
            <TextInput label={words.name} description={words.nameHint} placeholder={`${image.name}-${format}`} value={name} onChange={(event) => setName(event.currentTarget.value)} />
            <ErrorNote error={convert.error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>{text.cancel}</Button>
              <Button type="submit" loading={convert.isPending}>{words.start}</Button>
            </Group>
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
