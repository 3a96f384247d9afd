import { Code, Stack, Table, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { Dialog } from '@/components/Dialog';
import Highlighted from '@/components/vm/yaml/Highlighted';
import type { Profile, ProfileParameter } from '@/gen/limiquantix/compute/v1/profile_pb';
import { text } from '@/text/en';
import { profilesText as words } from '@/text/profiles';
import { typed, typeWord } from './document';

/** A profile as it is: what may be given, and what it says. */
export default function ProfileFacts({ profile, close }: { profile: Profile; close: () => void }): ReactNode {
  return (
    <Dialog title={profile.name} close={close} size="lg">
      <Stack>
        <Text size="sm">{[profile.description, words.revision(profile.revision)].filter(Boolean).join(' · ')}</Text>
        {profile.parameters.length > 0 && (
          <>
            <Title order={3} size="h5">{words.parameters}</Title>
            <Table.ScrollContainer minWidth={480}>
              <Table aria-label={words.parameters}>
                <Table.Thead>
                  <Table.Tr>{Object.values(words.parameter).map((column) => <Table.Th key={column}>{column}</Table.Th>)}</Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {profile.parameters.map((parameter) => (
                    <Table.Tr key={parameter.name}>
                      <Table.Td>{parameter.name}</Table.Td>
                      <Table.Td>{typeWord(parameter.type)}</Table.Td>
                      <Table.Td>{takes(parameter)}</Table.Td>
                      <Table.Td>{parameter.description || text.unknown}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </>
        )}
        <Title order={3} size="h5">{words.document}</Title>
        <Code block tabIndex={0} role="region" aria-label={words.document}><Highlighted text={typed(profile)} /></Code>
      </Stack>
    </Dialog>
  );
}

function takes({ required, default: usual, allowed, pattern }: ProfileParameter): string {
  const said = [required && words.required, usual !== undefined && words.default(usual), allowed.length > 0 && words.oneOf(allowed.join(', ')), pattern && words.form(pattern)];
  return said.filter(Boolean).join('; ') || text.unknown;
}
