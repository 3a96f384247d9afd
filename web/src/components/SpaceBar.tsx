import { Progress, Text } from '@mantine/core';
import type { ReactNode } from 'react';

interface Props {
  used: bigint;
  total: bigint;
  label: string;
  said: string;
}

/** How full something is; from nine tenths on in the colour of a warning. */
export function SpaceBar({ used, total, label, said }: Props): ReactNode {
  const percent = total > 0n ? Number((used * 100n) / total) : 0;
  return (
    <div>
      <Progress value={percent} color={percent >= 90 ? 'red' : percent >= 75 ? 'orange' : 'indigo'} aria-label={label} size="md" />
      <Text size="sm" c="dimmed" className="numbers" mt={4}>{said}</Text>
    </div>
  );
}
