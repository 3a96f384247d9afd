import { Button, Group, Skeleton, Table } from '@mantine/core';
import { IconPencil, IconTrash } from '@tabler/icons-react';
import { type ReactNode, Suspense, useState } from 'react';
import { later } from '@/components/later';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { EmptyNote, ErrorNote, PageHead } from '@/components/Notes';
import type { Profile } from '@/gen/limiquantix/compute/v1/profile_pb';
import { formatAge } from '@/hooks/format';
import { useProfileActions, useProfiles } from '@/hooks/profiles';
import { text } from '@/text/en';
import { profilesText as words } from '@/text/profiles';

// The editor is large, and profiles are mostly looked at.
const ProfileEditor = later(() => import('@/pages/profiles/ProfileEditor'));
const ProfileFacts = later(() => import('@/pages/profiles/ProfileFacts'));

type Doing = { what: 'make' } | { what: 'change' | 'show' | 'delete'; profile: Profile };

/** What several VMs are told alike: looked at, made, changed, deleted. */
export default function Profiles(): ReactNode {
  const { profiles, isLoading, error, refetch } = useProfiles();
  const [doing, setDoing] = useState<Doing>();
  const end = (): void => setDoing(undefined);
  return (
    <>
      <PageHead title={words.title} intro={words.intro}>
        <Button onClick={() => setDoing({ what: 'make' })}>{words.make}</Button>
      </PageHead>
      <ErrorNote error={profiles.length ? null : error} retry={() => void refetch()} />
      {isLoading && <Skeleton height={180} radius="md" />}
      {!isLoading && !error && profiles.length === 0 && <EmptyNote title={words.empty} hint={words.emptyHint} />}
      {profiles.length > 0 && <ProfileTable profiles={profiles} act={setDoing} />}
      <Suspense>
        {doing?.what === 'make' && <ProfileEditor close={end} />}
        {doing?.what === 'change' && <ProfileEditor close={end} profile={doing.profile} />}
        {doing?.what === 'show' && <ProfileFacts close={end} profile={doing.profile} />}
      </Suspense>
      {doing?.what === 'delete' && <DeleteProfile profile={doing.profile} close={end} />}
    </>
  );
}

function ProfileTable({ profiles, act }: { profiles: readonly Profile[]; act: (doing: Doing) => void }): ReactNode {
  return (
    <Table.ScrollContainer minWidth={820}>
      <Table highlightOnHover verticalSpacing="sm" aria-label={words.title}>
        <Table.Thead>
          <Table.Tr>
            {Object.values(words.columns).map((column) => <Table.Th key={column}>{column}</Table.Th>)}
            <Table.Td />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {profiles.map((profile) => (
            <Table.Tr key={profile.id}>
              <Table.Td>
                <Button variant="subtle" size="compact-sm" px={0} aria-label={words.show(profile.name)} onClick={() => act({ what: 'show', profile })}>{profile.name}</Button>
              </Table.Td>
              <Table.Td>{profile.description || text.unknown}</Table.Td>
              <Table.Td>{profile.parameters.map(({ name }) => name).join(', ') || words.noParameters}</Table.Td>
              <Table.Td>{words.rule[profile.userDataRule]}</Table.Td>
              <Table.Td className="numbers">{profile.revision}</Table.Td>
              <Table.Td>{formatAge(profile.updatedAt)}</Table.Td>
              <Table.Td>
                <Group gap="xs" wrap="nowrap">
                  <Button size="xs" variant="default" leftSection={<IconPencil size={14} aria-hidden />} aria-label={words.changeName(profile.name)} onClick={() => act({ what: 'change', profile })}>{words.change}</Button>
                  <Button size="xs" variant="light" color="red" leftSection={<IconTrash size={14} aria-hidden />} aria-label={words.deleteName(profile.name)} onClick={() => act({ what: 'delete', profile })}>{text.remove}</Button>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function DeleteProfile({ profile: { id, name }, close }: { profile: Profile; close: () => void }): ReactNode {
  const { remove } = useProfileActions();
  return <ConfirmDelete title={words.deleteName(name)} warning={words.deleteWarning} name={name} busy={remove.isPending} error={remove.error} close={close} confirm={() => remove.mutate({ name: id }, { onSuccess: close })} />;
}
