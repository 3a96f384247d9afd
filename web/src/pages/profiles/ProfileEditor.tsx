import { Button, Group, Input, Stack, Text } from '@mantine/core';
import { type FormEvent, type ReactNode, useId, useMemo, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { ErrorNote } from '@/components/Notes';
import UserDataEditor from '@/components/vm/yaml/UserDataEditor';
import type { Profile } from '@/gen/limiquantix/compute/v1/profile_pb';
import { useProfileActions } from '@/hooks/profiles';
import { text } from '@/text/en';
import { profilesText as words } from '@/text/profiles';
import { parsed, typed } from './document';

const HIDDEN = '(hidden)';

/** A profile as YAML: a new one, or the next revision of one that there is. The server judges it when it is saved. */
export default function ProfileEditor({ profile, close }: { profile?: Profile; close: () => void }): ReactNode {
  const hint = useId();
  const [said, setSaid] = useState(() => (profile ? typed(profile) : words.example));
  const { create } = useProfileActions();
  const { request, problems } = useMemo(() => parsed(said, profile !== undefined), [said, profile]);
  const hidden = said.includes(HIDDEN);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (request) create.mutate({ ...request, projectId: profile?.projectId ?? request.projectId }, { onSuccess: close });
  };
  return (
    <Dialog title={profile ? words.changeName(profile.name) : words.make} close={close} size="lg">
      <form onSubmit={submit}>
        <Stack>
          <div>
            <Input.Label component="div">{words.document}</Input.Label>
            <Input.Description id={hint} mb={4}>{words.documentHint}</Input.Description>
            <UserDataEditor label={words.document} describedBy={hint} value={said} problems={problems} change={setSaid} />
            <div role="status" aria-live="polite">
              {problems.map(({ line, message }) => <Text key={`${String(line)} ${message}`} size="sm" c="var(--mantine-color-error)">{words.problemAt(line, message)}</Text>)}
              {hidden && <Text size="sm">{words.hidden}</Text>}
            </div>
          </div>
          {profile && <Text size="sm" c="dimmed">{words.replaces}</Text>}
          <ErrorNote error={create.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{text.cancel}</Button>
            <Button type="submit" disabled={!request || hidden} loading={create.isPending}>{words.save}</Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
