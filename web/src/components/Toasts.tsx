import { CloseButton, Group, Paper, Text } from '@mantine/core';
import { type ReactNode, useSyncExternalStore } from 'react';
import { text } from '@/text/en';

interface Toast {
  key: number;
  message: string;
}

const SECONDS = 6;
let shown: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function change(toasts: readonly Toast[]): void {
  shown = toasts;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Say for a while that something was done. What went wrong is said beside its cause instead, and stays. */
export function toast(message: string): void {
  const key = next++;
  change([...shown.slice(-3), { key, message }]);
  setTimeout(() => drop(key), SECONDS * 1000);
}

function drop(key: number): void {
  change(shown.filter((one) => one.key !== key));
}

export function Toasts(): ReactNode {
  const toasts = useSyncExternalStore(subscribe, () => shown);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map(({ key, message }) => (
        <Paper key={key} withBorder shadow="md" p="sm">
          <Group justify="space-between" wrap="nowrap">
            <Text size="sm">{message}</Text>
            <CloseButton size="sm" aria-label={text.close} onClick={() => drop(key)} />
          </Group>
        </Paper>
      ))}
    </div>
  );
}
