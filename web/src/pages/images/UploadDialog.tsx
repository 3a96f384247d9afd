import { ActionIcon, Alert, Button, Group, Progress, Stack, Text } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay, IconUpload, IconX } from '@tabler/icons-react';
import { type DragEvent, type ReactNode, useEffect, useState } from 'react';
import { unfinishedUploads, uploads, type UploadView, useUploads } from '@/api/uploads';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import { formatImageSize } from '@/hooks/useImages';
import { text } from '@/text/en';

const words = text.uploading;

/** Drop files or choose them; closing the dialog stops nothing. */
export default function UploadDialog({ close }: { close: () => void }): ReactNode {
  const views = useUploads();
  const [over, setOver] = useState(false);
  const [unfinished, setUnfinished] = useState<readonly string[]>([]);
  useEffect(() => void unfinishedUploads().then(setUnfinished), []);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    uploads.add(event.dataTransfer.files);
  };
  const drag = (event: DragEvent): void => {
    event.preventDefault();
    setOver(true);
  };
  const waiting = unfinished.filter((name) => !views.some((view) => view.name === name));
  return (
    <Dialog close={close} title={words.title} size="lg">
      <Stack>
        {waiting.map((name) => (
          <Alert key={name} variant="light" color="indigo">
            {words.unfinished(name)}
          </Alert>
        ))}
        <label className="drop" data-over={over || undefined} onDragOver={drag} onDragLeave={() => setOver(false)} onDrop={drop}>
          <input type="file" multiple data-autofocus aria-label={words.drop} onChange={(event) => { uploads.add([...(event.currentTarget.files ?? [])]); event.currentTarget.value = ''; }} />
          <IconUpload size={32} stroke={1.4} aria-hidden />
          <Text fw={600}>{words.drop}</Text>
          <Text size="sm" c="dimmed">{words.hint}</Text>
        </label>
        {views.length > 0 && (
          <Stack gap="sm" component="ul" aria-label={words.list} p={0} m={0} style={{ listStyle: 'none' }}>
            {views.map((view) => (
              <UploadLine key={view.key} view={view} />
            ))}
          </Stack>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {text.close}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function UploadLine({ view }: { view: UploadView }): ReactNode {
  const percent = view.size ? Math.floor((100 * view.sent) / view.size) : 0;
  const ended = view.state === 'done';
  const stopped = view.state === 'paused' || view.state === 'failed';
  return (
    <li data-upload={view.name} data-state={view.state}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={600} className="clip">{view.name}</Text>
        <Group gap={2} wrap="nowrap">
          {view.state === 'sending' && <Act label={words.pause(view.name)} icon={<IconPlayerPause size={16} aria-hidden />} act={() => uploads.pause(view.key)} />}
          {stopped && <Act label={words.resume(view.name)} icon={<IconPlayerPlay size={16} aria-hidden />} act={() => uploads.resume(view.key)} />}
          <Act label={ended ? words.forget(view.name) : words.abort(view.name)} icon={<IconX size={16} aria-hidden />} act={() => (ended ? uploads.forget(view.key) : uploads.abort(view.key))} />
        </Group>
      </Group>
      <Progress value={percent} color={view.state === 'failed' ? 'red' : ended ? 'teal' : 'indigo'} aria-label={text.jobs.progress(view.name)} />
      <Text size="xs" c="dimmed" className="numbers">
        {[words.state[view.state], `${percent} %`, text.jobs.of(formatImageSize(view.sent), formatImageSize(view.size)), view.resumed ? words.resumed : ''].filter(Boolean).join(' · ')}
      </Text>
      <ErrorNote error={view.error} />
    </li>
  );
}

function Act({ label, icon, act }: { label: string; icon: ReactNode; act: () => void }): ReactNode {
  return (
    <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={act}>
      {icon}
    </ActionIcon>
  );
}
