/** Signing in and out, over plain HTTP at /session. */
export interface Session {
  signedIn: boolean;
  required: boolean;
}

export class SignInRefused extends Error {}

const JSON_BODY = { 'Content-Type': 'application/json' };

export async function readSession(): Promise<Session> {
  const answer = await fetch('/session', { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return (await answer.json()) as Session;
}

/** Begins a session with the operator's token, or with the code of a one-time link. */
export async function signIn(shown: { token: string } | { code: string }): Promise<Session> {
  const answer = await fetch('/session', { method: 'POST', headers: JSON_BODY, body: JSON.stringify(shown) });
  const said = (await answer.json()) as Session & { message?: string };
  if (!answer.ok) throw new SignInRefused(said.message ?? `HTTP ${answer.status}`);
  return said;
}

export async function signOut(): Promise<void> {
  await fetch('/session', { method: 'DELETE' });
}
