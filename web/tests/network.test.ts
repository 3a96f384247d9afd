import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EMPTY, requestOf } from '@/components/vm/draft';
import { type AddressingDraft, isNetworkWhole, NEW_BOND, NEW_CARD, NEW_VLAN, ONE_CARD, USUAL } from '@/components/vm/network';
import { stepOf } from '@/components/vm/steps';
import { Addressing_Dhcp as Dhcp, CreateVMRequestSchema } from '@/gen/limiquantix/compute/v1/vm_pb';

const STATIC: AddressingDraft = {
  ...USUAL, v4: 'static', addresses4: '192.0.2.10/24, 192.0.2.11/24', gateway4: '192.0.2.1', v6: 'static', addresses6: '2001:db8::10/64', gateway6: '2001:db8::1',
  dns: '192.0.2.53 2001:db8::53', search: 'a.example,b.example', mtu: '1400', routes: '198.51.100.0/24 via 192.0.2.2 metric 50\n\n203.0.113.0/24 via 192.0.2.3',
};

const asked = (network: typeof ONE_CARD) => create(CreateVMRequestSchema, requestOf({ ...EMPTY, network })).spec;

test('a network that nobody touched is left to the server', () => expect(asked(ONE_CARD)).toMatchObject({ nics: [], vlans: [], bonds: [] }));

test('a static network says all that was typed', () => {
  const [nic] = asked({ ...ONE_CARD, cards: [{ mac: ' 52:54:00:00:00:01 ', addressing: STATIC }] })?.nics ?? [];
  expect(nic?.macAddress).toBe('52:54:00:00:00:01');
  expect(nic?.addressing).toMatchObject({
    ipConfigs: [{ address: '192.0.2.10/24', gateway: '192.0.2.1' }, { address: '192.0.2.11/24', gateway: '' }, { address: '2001:db8::10/64', gateway: '2001:db8::1' }],
    dhcp4: Dhcp.USUAL, mtu: 1400, dnsServers: ['192.0.2.53', '2001:db8::53'], searchDomains: ['a.example', 'b.example'],
    routes: [{ to: '198.51.100.0/24', via: '192.0.2.2', metric: 50 }, { to: '203.0.113.0/24', via: '192.0.2.3', metric: 0 }],
  });
});

test('a VLAN has addresses of its own, and the cards of a bond none', () => {
  const spec = asked({
    cards: [{ ...NEW_CARD, addressing: { ...USUAL, v4: 'off' } }, { ...NEW_CARD, mac: '52:54:00:00:00:02', addressing: STATIC }],
    vlans: [{ ...NEW_VLAN, id: '42', addressing: { ...USUAL, v6: 'dhcp' } }],
    bonds: [{ ...NEW_BOND, members: 'eth1', mode: '802.3ad' }],
  });
  expect(spec?.nics[0]?.addressing?.dhcp4).toBe(Dhcp.OFF);
  expect([spec?.nics[1]?.macAddress, spec?.nics[1]?.addressing]).toEqual(['52:54:00:00:00:02', undefined]);
  expect(spec?.vlans).toMatchObject([{ id: 42, link: '', addressing: { dhcp4: Dhcp.USUAL, dhcp6: Dhcp.ON } }]);
  expect(spec?.bonds).toMatchObject([{ name: '', members: ['eth1'], mode: '802.3ad' }]);
});

test.each<[Partial<AddressingDraft>, boolean]>([
  [{}, true],
  [{ v4: 'static' }, false],
  [{ v4: 'static', addresses4: '192.0.2.10' }, false],
  [{ v4: 'static', addresses4: '192.0.2.10/24' }, true],
  [{ v6: 'static', addresses6: '2001:db8::1/64' }, true],
  [{ mtu: '100' }, false],
  [{ mtu: '9000' }, true],
  [{ routes: '198.51.100.0/24 by 192.0.2.1' }, false],
])('%j can be sent: %s', (part, whole) => expect(isNetworkWhole({ ...ONE_CARD, cards: [{ mac: '', addressing: { ...USUAL, ...part } }] })).toBe(whole));

test.each([['', false], ['0', false], ['4095', false], ['7', true]])('the VLAN %j can be sent: %s', (id, whole) => expect(isNetworkWhole({ ...ONE_CARD, vlans: [{ ...NEW_VLAN, id }] })).toBe(whole));

test.each([
  ['spec.nics.mac_address', 'network'], ['routes.via', 'network'], ['search_domains', 'network'], ['user_data', 'boot'], ['hostname', 'boot'],
  ['spec.disks.image', 'image'], ['spec.disks.size_gib', 'machine'], ['name', 'machine'], ['', undefined],
])('what is wrong with %j is mended at %s', (field, step) => expect(stepOf(field)).toBe(step));
