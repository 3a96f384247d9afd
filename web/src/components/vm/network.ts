import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Addressing_Dhcp, Addressing_Dhcp as Dhcp, type AddressingSchema, type BondSchema, type NetworkInterfaceSchema, type VlanSchema } from '@/gen/limiquantix/compute/v1/vm_pb';
import { networkText as words } from '@/text/network';

/** How IPv4 addresses come. */
export type V4 = 'dhcp' | 'static' | 'off';
/** How IPv6 addresses come; "auto" is by router advertisements. */
export type V6 = 'auto' | 'dhcp' | 'static';

/** What is typed of how a card, a VLAN or a bond is reached. Lists are texts with spaces, commas or lines between. */
export interface AddressingDraft {
  v4: V4;
  addresses4: string;
  gateway4: string;
  v6: V6;
  addresses6: string;
  gateway6: string;
  dns: string;
  search: string;
  mtu: string;
  /** One "NETWORK via ADDRESS", or "NETWORK via ADDRESS metric NUMBER", on each line. */
  routes: string;
}

export interface CardDraft {
  mac: string;
  addressing: AddressingDraft;
}

export interface VlanDraft {
  id: string;
  /** Empty: the first card. */
  link: string;
  addressing: AddressingDraft;
}

export interface BondDraft {
  name: string;
  /** Empty: every card. */
  members: string;
  mode: string;
  addressing: AddressingDraft;
}

export interface NetworkDraft {
  cards: readonly CardDraft[];
  vlans: readonly VlanDraft[];
  bonds: readonly BondDraft[];
}

export const USUAL: AddressingDraft = { v4: 'dhcp', addresses4: '', gateway4: '', v6: 'auto', addresses6: '', gateway6: '', dns: '', search: '', mtu: '', routes: '' };
export const NEW_CARD: CardDraft = { mac: '', addressing: USUAL };
export const NEW_VLAN: VlanDraft = { id: '', link: '', addressing: USUAL };
export const NEW_BOND: BondDraft = { name: '', members: '', mode: '', addressing: { ...USUAL } };
export const ONE_CARD: NetworkDraft = { cards: [NEW_CARD], vlans: [], bonds: [] };
/** The server's own limit of cards. */
export const MOST_CARDS = 8;
/** Of the kernel's bonding driver. */
export const BOND_MODES = ['active-backup', 'balance-rr', 'balance-xor', 'broadcast', '802.3ad', 'balance-tlb', 'balance-alb'] as const;

export function listed(said: string): string[] {
  return said.split(/[\s,]+/).filter(Boolean);
}

const ROUTE = /^(\S+)\s+via\s+(\S+)(?:\s+metric\s+(\d+))?$/;

/** The line that is no route; undefined where all are. */
export function routeTrouble(said: string): string | undefined {
  const lines = said.split('\n').map((line) => line.trim());
  const at = lines.findIndex((line) => line && !ROUTE.test(line));
  return at < 0 ? undefined : words.routeWrong(at + 1);
}

export function numberTrouble(said: string, least: number, most: number): string | undefined {
  if (!said.trim()) return undefined;
  const fits = /^\d+$/.test(said.trim()) && Number(said) >= least && Number(said) <= most;
  return fits ? undefined : words.numberWrong(least, most);
}

/** Addresses with their prefix: "192.0.2.10/24". The server judges the rest. */
export function addressTrouble(said: string): string | undefined {
  const without = listed(said).find((address) => !/^[0-9a-fA-F:.]+\/\d{1,3}$/.test(address));
  return without === undefined ? undefined : words.addressWrong(without);
}

/** Whether what is typed can be sent. */
export function isNetworkWhole({ cards, vlans, bonds }: NetworkDraft): boolean {
  const all = [...cards, ...vlans, ...bonds].map(({ addressing }) => addressing);
  return all.every(isAddressingWhole) && vlans.every(({ id }) => id.trim() !== '' && !numberTrouble(id, 1, 4094));
}

function isAddressingWhole(said: AddressingDraft): boolean {
  const addressed = (how: string, addresses: string): boolean => how !== 'static' || (listed(addresses).length > 0 && !addressTrouble(addresses));
  return addressed(said.v4, said.addresses4) && addressed(said.v6, said.addresses6) && !routeTrouble(said.routes) && !numberTrouble(said.mtu, 576, 65535);
}

function dhcp4(how: V4): Addressing_Dhcp {
  return how === 'off' ? Dhcp.OFF : Dhcp.USUAL;
}

/** Addresses, the first of them with the gateway. */
function configs(addresses: string, gateway: string): { address: string; gateway: string }[] {
  return listed(addresses).map((address, index) => ({ address, gateway: index === 0 ? gateway.trim() : '' }));
}

export function addressingOf(said: AddressingDraft): MessageInitShape<typeof AddressingSchema> {
  const routes = said.routes.split('\n').flatMap((line) => {
    const [, to, via, metric] = ROUTE.exec(line.trim()) ?? [];
    return to && via ? [{ to, via, metric: Number(metric ?? 0) }] : [];
  });
  return {
    ipConfigs: [
      ...(said.v4 === 'static' ? configs(said.addresses4, said.gateway4) : []),
      ...(said.v6 === 'static' ? configs(said.addresses6, said.gateway6) : []),
    ],
    dhcp4: dhcp4(said.v4),
    dhcp6: said.v6 === 'dhcp' ? Dhcp.ON : Dhcp.USUAL,
    mtu: Number(said.mtu || 0),
    routes,
    dnsServers: listed(said.dns),
    searchDomains: listed(said.search),
  };
}

interface NetworkRequest {
  nics: MessageInitShape<typeof NetworkInterfaceSchema>[];
  vlans: MessageInitShape<typeof VlanSchema>[];
  bonds: MessageInitShape<typeof BondSchema>[];
}

/** What the server is asked for; a network that nobody touched is left to it. */
export function networkOf({ cards, vlans, bonds }: NetworkDraft): NetworkRequest {
  const untouched = cards.length === 1 && cards[0] === NEW_CARD;
  const bonded = new Set(bonds.flatMap(({ members }) => (listed(members).length ? listed(members) : cards.map((_, number) => cardName(number)))));
  return {
    nics: untouched ? [] : cards.map(({ mac, addressing }, number) => ({
      macAddress: mac.trim(),
      // The bond has the addresses of its cards.
      ...(bonded.has(cardName(number)) || addressing === USUAL ? {} : { addressing: addressingOf(addressing) }),
    })),
    vlans: vlans.map(({ id, link, addressing }) => ({ id: Number(id), link, addressing: addressingOf(addressing) })),
    bonds: bonds.map(({ name, members, mode, addressing }) => ({ name: name.trim(), members: listed(members), mode, addressing: addressingOf(addressing) })),
  };
}

export function cardName(number: number): string {
  return `eth${number}`;
}
