import { Radio, Stack, Text, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { TrustBadge } from '@/components/TrustBadge';
import { type Draft, withImage } from '@/components/vm/draft';
import { formatImageSize, useAvailableImages } from '@/hooks/useImages';
import { wizardText as words } from '@/text/wizard';

// So many are drawn; the others are found by searching.
const SHOWN = 40;

/** What the VM is made of: what is here first, then what the catalog offers besides. */
export function ImageStep({ draft, change }: { draft: Draft; change: (draft: Draft) => void }): ReactNode {
  const { images } = useAvailableImages();
  const [search, setSearch] = useState('');
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = images.filter((image) => {
    const known = `${image.name} ${image.id} ${image.os?.distribution} ${image.os?.version}`.toLowerCase();
    return wanted.every((word) => known.includes(word));
  });
  const choose = (id: string): void => {
    const image = images.find((one) => one.id === id);
    if (image) change(withImage(draft, image));
  };
  return (
    <Stack>
      <TextInput label={words.search} type="search" value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
      <Radio.Group label={words.image} value={draft.image?.id ?? ''} onChange={choose}>
        <Stack gap="sm" mt="xs">
          {fitting.slice(0, SHOWN).map((image) => (
            <Radio
              key={image.id}
              value={image.id}
              label={image.name}
              description={
                <>
                  {[image.source === 'local' ? words.local : words.catalog, formatImageSize(image.sizeBytes), image.supportOver && words.over].filter(Boolean).join(' · ')}{' '}
                  <TrustBadge level={image.trust} verified={image.source === 'local'} evidence={image.image?.status?.evidence} />
                </>
              }
            />
          ))}
        </Stack>
      </Radio.Group>
      {fitting.length === 0 && <Text c="dimmed">{words.noImage}</Text>}
      {fitting.length > SHOWN && <Text size="sm" c="dimmed">{words.more(fitting.length - SHOWN)}</Text>}
    </Stack>
  );
}
