import { Button, Card, Kbd, SegmentedControl, Stack, Text, Title, useMantineColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { signOut } from '@/api/session';
import { PageHead } from '@/components/Notes';
import { SESSION_KEY, useSession } from '@/components/SignedIn';
import { text } from '@/text/en';

const words = text.settings;

export default function Settings(): ReactNode {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const session = useSession();
  const client = useQueryClient();
  const go = useNavigate();
  const leave = async (): Promise<void> => {
    await signOut();
    client.clear();
    client.setQueryData(SESSION_KEY, { signedIn: false, required: true });
    await go({ to: '/sign-in' });
  };
  return (
    <>
      <PageHead title={words.title} />
      <Stack maw={620}>
        <Card withBorder component="section">
          <Title order={2} size="h5" mb="sm">{words.appearance}</Title>
          <SegmentedControl
            aria-label={text.theme.label}
            value={colorScheme}
            onChange={(value) => setColorScheme(value as 'light' | 'dark' | 'auto')}
            data={(['light', 'dark', 'auto'] as const).map((value) => ({ value, label: text.theme[value] }))}
          />
        </Card>
        <Card withBorder component="section">
          <Title order={2} size="h5" mb="sm">{words.account}</Title>
          {session.data?.required === false ? (
            <Text>{words.open}</Text>
          ) : (
            <Stack align="flex-start">
              <Text>{words.signedIn}</Text>
              <Button variant="default" onClick={() => void leave()}>{text.signIn.out}</Button>
            </Stack>
          )}
        </Card>
        <Card withBorder component="section">
          <Title order={2} size="h5" mb="sm">{words.keyboard}</Title>
          <dl className="facts">
            {words.keys.map(([key, meaning]) => (
              <div key={key} style={{ display: 'contents' }}>
                <dt>{key.split(' ').map((part) => <Kbd key={part} mr={4}>{part}</Kbd>)}</dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </Card>
      </Stack>
    </>
  );
}
