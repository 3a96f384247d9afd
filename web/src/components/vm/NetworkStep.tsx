import { ActionIcon, Button, Card, Group, Input, NativeSelect, SegmentedControl, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { type ReactNode, useId } from 'react';
import type { StepProps } from '@/components/vm/FormSteps';
import { addressTrouble, type AddressingDraft, BOND_MODES, cardName, listed, MOST_CARDS, NEW_BOND, NEW_CARD, NEW_VLAN, type NetworkDraft, numberTrouble, routeTrouble } from '@/components/vm/network';
import { networkText as words } from '@/text/network';

/** The cards of a VM, and what is made of them. */
export function NetworkStep({ draft, change }: StepProps): ReactNode {
  const { network } = draft;
  const set = (part: Partial<NetworkDraft>): void => change({ ...draft, network: { ...network, ...part } });
  const { cards, vlans, bonds } = network;
  const names = [...cards.map((_, number) => cardName(number)), ...bonds.map(({ name }) => name || 'bond0')];
  const bonded = new Set(bonds.flatMap(({ members }) => (listed(members).length ? listed(members) : cards.map((_, number) => cardName(number)))));
  return (
    <Stack>
      <Text size="sm" c="dimmed">{words.intro}</Text>
      {cards.map((card, number) => (
        <Link key={cardName(number)} title={words.card(cardName(number))} remove={cards.length > 1 ? () => set({ cards: without(cards, number) }) : undefined}>
          {bonded.has(cardName(number)) ? <Text size="sm">{words.bonded}</Text> : <Addressing said={card.addressing} change={(addressing) => set({ cards: replaced(cards, number, { ...card, addressing }) })} />}
          <TextInput label={words.mac} description={words.macHint} value={card.mac} spellCheck={false} onChange={(event) => set({ cards: replaced(cards, number, { ...card, mac: event.currentTarget.value }) })} />
        </Link>
      ))}
      {vlans.map((vlan, number) => (
        <Link key={`vlan ${String(number)}`} title={words.vlan(vlan.id)} remove={() => set({ vlans: without(vlans, number) })}>
          <Pair>
            <TextInput label={words.vlanId} description={words.vlanIdHint} inputMode="numeric" value={vlan.id} error={numberTrouble(vlan.id, 1, 4094)} onChange={(event) => set({ vlans: replaced(vlans, number, { ...vlan, id: event.currentTarget.value }) })} />
            <NativeSelect label={words.link} description="&nbsp;" value={vlan.link || cardName(0)} data={names} onChange={(event) => set({ vlans: replaced(vlans, number, { ...vlan, link: event.currentTarget.value }) })} />
          </Pair>
          <Addressing said={vlan.addressing} change={(addressing) => set({ vlans: replaced(vlans, number, { ...vlan, addressing }) })} />
        </Link>
      ))}
      {bonds.map((bond, number) => (
        <Link key={`bond ${String(number)}`} title={words.bond(bond.name)} remove={() => set({ bonds: without(bonds, number) })}>
          <Pair>
            <TextInput label={words.bondName} placeholder="bond0" value={bond.name} spellCheck={false} onChange={(event) => set({ bonds: replaced(bonds, number, { ...bond, name: event.currentTarget.value }) })} />
            <NativeSelect label={words.mode} value={bond.mode || BOND_MODES[0]} data={[...BOND_MODES]} onChange={(event) => set({ bonds: replaced(bonds, number, { ...bond, mode: event.currentTarget.value }) })} />
          </Pair>
          <TextInput label={words.members} description={words.membersHint} value={bond.members} spellCheck={false} onChange={(event) => set({ bonds: replaced(bonds, number, { ...bond, members: event.currentTarget.value }) })} />
          <Addressing said={bond.addressing} change={(addressing) => set({ bonds: replaced(bonds, number, { ...bond, addressing }) })} />
        </Link>
      ))}
      <Group gap="xs">
        <Add label={words.addCard} disabled={cards.length >= MOST_CARDS} add={() => set({ cards: [...cards, NEW_CARD] })} />
        <Add label={words.addVlan} add={() => set({ vlans: [...vlans, NEW_VLAN] })} />
        <Add label={words.addBond} add={() => set({ bonds: [...bonds, NEW_BOND] })} />
      </Group>
    </Stack>
  );
}

function replaced<T>(all: readonly T[], at: number, one: T): T[] {
  return all.map((other, index) => (index === at ? one : other));
}

function without<T>(all: readonly T[], at: number): T[] {
  return all.filter((_, index) => index !== at);
}

function Link({ title, remove, children }: { title: string; remove: (() => void) | undefined; children: ReactNode }): ReactNode {
  return (
    <Card withBorder component="section" aria-label={title} p="md">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h6">{title}</Title>
        {remove && <ActionIcon variant="subtle" color="gray" aria-label={words.remove(title)} onClick={remove}><IconTrash size={16} aria-hidden /></ActionIcon>}
      </Group>
      <Stack gap="sm">{children}</Stack>
    </Card>
  );
}

function Pair({ children }: { children: ReactNode }): ReactNode {
  return <div className="pair">{children}</div>;
}

function Add({ label, add, disabled = false }: { label: string; add: () => void; disabled?: boolean }): ReactNode {
  return <Button size="xs" variant="default" disabled={disabled} leftSection={<IconPlus size={14} aria-hidden />} onClick={add}>{label}</Button>;
}

function Choice<T extends string>({ label, value, options, choose }: { label: string; value: T; options: Record<T, string>; choose: (value: T) => void }): ReactNode {
  const id = useId();
  return (
    <div>
      <Input.Label component="span" id={id}>{label}</Input.Label>
      <div>
        <SegmentedControl aria-labelledby={id} size="sm" value={value} onChange={(chosen) => choose(chosen as T)} data={Object.entries<string>(options).map(([one, said]) => ({ value: one, label: said }))} />
      </div>
    </div>
  );
}

/** How one of them is reached. */
function Addressing({ said, change }: { said: AddressingDraft; change: (said: AddressingDraft) => void }): ReactNode {
  const text = (name: 'addresses4' | 'gateway4' | 'addresses6' | 'gateway6' | 'dns' | 'search' | 'mtu', description?: string, error?: string): ReactNode => (
    <TextInput label={words[name]} description={description} error={error} value={said[name]} spellCheck={false} inputMode={name === 'mtu' ? 'numeric' : 'text'} onChange={(event) => change({ ...said, [name]: event.currentTarget.value })} />
  );
  return (
    <>
      <Pair>
        <Choice label={words.v4} value={said.v4} options={words.how4} choose={(v4) => change({ ...said, v4 })} />
        <Choice label={words.v6} value={said.v6} options={words.how6} choose={(v6) => change({ ...said, v6 })} />
      </Pair>
      {said.v4 === 'static' && (
        <Pair>
          {text('addresses4', words.addressHint4, addressTrouble(said.addresses4))}
          {text('gateway4', '\u00a0')}
        </Pair>
      )}
      {said.v6 === 'static' && (
        <Pair>
          {text('addresses6', words.addressHint6, addressTrouble(said.addresses6))}
          {text('gateway6', '\u00a0')}
        </Pair>
      )}
      <details>
        <summary>{words.more}</summary>
        <Stack gap="sm" mt="xs">
          {text('dns', words.list)}
          {text('search', words.list)}
          {text('mtu', words.mtuHint, numberTrouble(said.mtu, 576, 65535))}
          <Textarea label={words.routes} description={words.routesHint} error={routeTrouble(said.routes)} rows={2} spellCheck={false} value={said.routes} onChange={(event) => change({ ...said, routes: event.currentTarget.value })} />
        </Stack>
      </details>
    </>
  );
}
