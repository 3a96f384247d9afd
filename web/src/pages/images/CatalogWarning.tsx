import { Alert, Text } from '@mantine/core';
import { IconCertificateOff } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { CatalogState } from '@/gen/limiquantix/storage/v1/image_pb';
import { text } from '@/text/en';

const words = text.connection;

/** What is wrong with the signed catalog, and what to do about it; the server words both. */
export default function CatalogWarning({ state }: { state: CatalogState }): ReactNode {
  const title = state.age === 'stale' ? words.stale : state.age === 'ageing' ? words.ageing : words.unsigned;
  return (
    <Alert role="status" color={state.age === 'stale' ? 'red' : 'orange'} variant="light" mb="md" icon={<IconCertificateOff aria-hidden />} title={title}>
      <Text size="sm" c="inherit">{state.warning}</Text>
      {state.errorMessage && <Text size="sm" c="inherit">{`${state.errorCode}: ${state.errorMessage}`}</Text>}
      <Text size="sm" c="inherit">{state.version ? words.inUse(state.version, state.written, state.expires) : words.shipped}</Text>
    </Alert>
  );
}
