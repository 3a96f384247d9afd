import { Button, Card, Center, Code, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { inWords } from '@/api/errors';
import { signIn } from '@/api/session';
import { ErrorNote } from '@/components/Notes';
import { SESSION_KEY } from '@/components/SignedIn';
import { text } from '@/text/en';

// Read once, before anything is drawn, and taken out of the address at once: it works a single time.
const code = takeCode();

function takeCode(): string {
  const found = location.pathname === '/sign-in' ? location.hash.slice(1) : '';
  if (found) history.replaceState(history.state, '', location.pathname);
  return found;
}
let used = false;

/** For the token of the data directory, or the code of a one-time link behind the # of the address. */
export default function SignIn(): ReactNode {
  const go = useNavigate();
  const client = useQueryClient();
  const { to } = useSearch({ strict: false }) as { to?: string };
  const [token, setToken] = useState('');
  const [error, setError] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const [busy, setBusy] = useState(code !== '' && !used);

  const enter = async (shown: { token: string } | { code: string }): Promise<void> => {
    setBusy(true);
    setError('');
    try {
      client.setQueryData(SESSION_KEY, await signIn(shown));
      await go({ to: ownPath(to), replace: true });
    } catch (refused) {
      setError(inWords(refused));
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (!code || used) return;
    used = true;
    void enter({ code });
  }, []); // eslint-disable-line react-hooks/exhaustive-deps -- once

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void enter({ token: token.trim() });
  };
  return (
    <Center component="main" mih="100dvh" p="md">
      <Card withBorder shadow="sm" padding="xl" radius="lg" w="100%" maw={440}>
        <form onSubmit={submit}>
          <Stack>
            <img src="/icon.svg" width={44} height={44} alt="" />
            <Title order={1} size="h2">
              {text.signIn.title}
            </Title>
            <Text c="dimmed">{text.signIn.intro}</Text>
            <Text size="sm">
              {text.signIn.where}
              <Code block mt={6}>{text.signIn.command}</Code>
            </Text>
            <PasswordInput
              ref={field}
              label={text.signIn.token}
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              autoComplete="off"
              required
              withAsterisk={false}
              spellCheck={false}
            />
            <ErrorNote error={error} />
            <Button type="submit" loading={busy}>
              {text.signIn.button}
            </Button>
          </Stack>
        </form>
      </Card>
    </Center>
  );
}

/** A path of these pages; anything else that an address names leads home. */
export function ownPath(to: string | undefined): string {
  return to && /^\/(?![/\\])/.test(to) && !to.startsWith('/sign-in') ? to : '/storage/images';
}
