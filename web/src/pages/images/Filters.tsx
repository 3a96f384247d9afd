import { Button, CloseButton, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { type ReactNode, useEffect, useState } from 'react';
import { useImagesSearch } from '@/pages/images/useImagesSearch';
import { text } from '@/text/en';

export interface Choice {
  name: 'distribution' | 'arch' | 'state' | 'node';
  label: string;
  every: string;
  options: readonly (readonly [value: string, label: string])[];
}

/** Search as one types, and the filters, as the address has them. */
export function Filters({ choices, count, children }: { choices: readonly Choice[]; count: string; children?: ReactNode }): ReactNode {
  const [search, change] = useImagesSearch();
  const [typed, setTyped] = useState(search.q ?? '');
  // The field answers at once; the address follows.
  useEffect(() => setTyped((now) => (now.trim() === (search.q ?? '') ? now : (search.q ?? ''))), [search.q]);
  const type = (value: string): void => {
    setTyped(value);
    change({ q: value.trim() });
  };
  return (
    <Group mb="md" gap="sm" align="center">
      <TextInput
        type="search"
        aria-label={text.images.searchLabel}
        placeholder={text.images.searchLabel}
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={typed ? <CloseButton size="sm" aria-label={text.images.clear} onClick={() => type('')} /> : undefined}
        value={typed}
        onChange={(event) => type(event.currentTarget.value)}
        flex="1 1 240px"
        maw={420}
      />
      {choices.map(({ name, label, every, options }) => (
        <NativeSelect
          key={name}
          aria-label={label}
          value={search[name] ?? ''}
          onChange={(event) => change({ [name]: event.currentTarget.value })}
          data={[{ value: '', label: every }, ...options.map(([value, shown]) => ({ value, label: shown }))]}
        />
      ))}
      {children}
      <Text size="sm" c="dimmed" role="status" className="numbers" ml="auto">
        {count}
      </Text>
    </Group>
  );
}

export function ClearFilters(): ReactNode {
  const [, change] = useImagesSearch();
  const none = { q: undefined, distribution: undefined, arch: undefined, state: undefined, node: undefined, ended: undefined };
  return (
    <Button variant="default" onClick={() => change(none)}>
      {text.images.clear}
    </Button>
  );
}

/** The values that there are, sorted, as options. */
export function optionsOf(values: Iterable<string | undefined>): (readonly [string, string])[] {
  const found = [...new Set(values)].filter((value): value is string => Boolean(value));
  return found.sort((one, other) => one.localeCompare(other)).map((value) => [value, value] as const);
}
