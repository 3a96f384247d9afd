import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect } from 'react';
import { LibraryProvider, useConnection } from '@/api/library';
import { readSession } from '@/api/session';
import { Pending } from '@/components/Edges';

export const SESSION_KEY = ['session'] as const;

export function useSession() {
  return useQuery({ queryKey: SESSION_KEY, queryFn: readSession, retry: 1, retryDelay: 300, staleTime: 60_000 });
}

/** Shows its children to whoever is signed in, and while no server answers; others are led to sign in. */
export function SignedIn({ children }: { children: ReactNode }): ReactNode {
  const session = useSession();
  const go = useNavigate();
  const out = session.data && session.data.required && !session.data.signedIn;
  useEffect(() => {
    if (out) void go({ to: '/sign-in', search: { to: here() }, replace: true });
  }, [out, go]);
  if (session.isPending || out) return <Pending />;
  return (
    <LibraryProvider>
      <LeaveWhenSignedOut recheck={session.refetch} />
      {children}
    </LibraryProvider>
  );
}

function LeaveWhenSignedOut({ recheck }: { recheck: () => unknown }): ReactNode {
  const connection = useConnection();
  useEffect(() => {
    if (connection === 'signed-out') recheck();
  }, [connection, recheck]);
  return null;
}

function here(): string {
  return location.pathname + location.search;
}
