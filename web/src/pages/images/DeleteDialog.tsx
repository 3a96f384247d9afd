import { Alert, Button, Group, List, Stack, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { inWords } from '@/api/errors';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import { toast } from '@/components/Toasts';
import type { Image } from '@/gen/limiquantix/storage/v1/image_pb';
import { useDeleteImage, useImageUsage } from '@/hooks/useImages';
import { text } from '@/text/en';

const words = text.deleting;

interface Props {
  images: readonly Image[];
  close: () => void;
  done: () => void;
}

/** Asks for the name, says what uses the image, and lets go of nothing that is in use. */
export default function DeleteDialog({ images, close, done }: Props): ReactNode {
  const only = images.length === 1 ? images[0] : undefined;
  const usage = useImageUsage(only?.id ?? '');
  const remove = useDeleteImage();
  const [typed, setTyped] = useState('');
  const [failures, setFailures] = useState<readonly string[]>([]);
  const wanted = only?.name ?? String(images.length);
  const users = usage.data?.vms ?? [];
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const refused: string[] = [];
    for (const image of images) {
      try {
        await remove.mutateAsync({ id: image.id });
        toast(words.done(image.name));
      } catch (error) {
        refused.push(`${image.name}: ${inWords(error)}`);
      }
    }
    setFailures(refused);
    if (refused.length > 0) return;
    close();
    done();
  };
  return (
    <Dialog close={close} title={only ? words.title(only.name) : words.many(images.length)}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          <Text>{words.warning}</Text>
          {only && usage.isLoading && <Text size="sm">{words.looking}</Text>}
          {users.length > 0 && (
            <Alert color="orange" variant="light" title={words.inUse(users.length)}>
              <List size="sm">
                {users.map((vm) => (
                  <List.Item key={vm.id}>
                    <Link to="/vms/$vmId" params={{ vmId: vm.id }}>{vm.name}</Link> ({vm.state})
                  </List.Item>
                ))}
              </List>
            </Alert>
          )}
          <TextInput label={only ? words.typeName(wanted) : words.typeCount(images.length)} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} data-autofocus autoComplete="off" spellCheck={false} />
          {failures.map((failure) => (
            <ErrorNote key={failure} error={failure} />
          ))}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {text.cancel}
            </Button>
            <Button type="submit" color="red" disabled={typed !== wanted || users.length > 0} loading={remove.isPending}>
              {words.confirm}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
