import { Button, Skeleton, Stack } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { EmptyNote } from '@/components/Notes';
import { text } from '@/text/en';

/** A page on its way: the room that it will take. */
export function Pending(): ReactNode {
  return (
    <Stack aria-busy aria-label={text.loading} role="status">
      <Skeleton height={36} width={260} />
      <Skeleton height={44} />
      <Skeleton height={220} />
    </Stack>
  );
}

export function NotFound(): ReactNode {
  return (
    <EmptyNote title={text.errors.missing} hint={text.errors.missingHint} order={1}>
      <Link to="/storage/images">{text.errors.home}</Link>
    </EmptyNote>
  );
}

/** What a page's own code could not do, or could not be loaded for. */
export function Broken(): ReactNode {
  return (
    <EmptyNote title={text.errors.broken} hint={text.errors.brokenHint} order={1}>
      <Button variant="default" onClick={() => location.reload()}>
        {text.errors.reload}
      </Button>
    </EmptyNote>
  );
}
