import { useQuery } from '@connectrpc/connect-query';
import { Card, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { type VirtualMachine, VMService, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';
import { text } from '@/text/en';

const BOOTING = 2_000;
const LATER = 20_000;
// What one call of String.fromCharCode surely takes.
const PIECE = 8_192;

/** What a VM's display shows, looked at more often while it boots; nothing where it has none. */
export function Thumbnail({ vm }: { vm: VirtualMachine }): ReactNode {
  const runs = vm.status?.state === State.RUNNING;
  const boots = vm.status?.stage !== 'done';
  const query = useQuery(VMService.method.getScreenshot, { vmId: vm.id }, {
    enabled: runs,
    retry: false,
    refetchInterval: ({ state }) => (state.error ? false : boots ? BOOTING : LATER),
  });
  const data = query.data?.data;
  const url = useMemo(() => (data ? `data:image/png;base64,${base64(data)}` : ''), [data]);
  if (!runs || !query.data || query.error) return null;
  return (
    <Card withBorder component="section" aria-label={text.vms.display}>
      <Title order={2} size="h5" mb="sm">{text.vms.display}</Title>
      <Link to="/vms/$vmId/display" params={{ vmId: vm.id }}>
        <img src={url} width={query.data.width} height={query.data.height} alt={text.vms.shows(vm.name)} className="thumbnail" />
      </Link>
    </Card>
  );
}

function base64(data: Uint8Array): string {
  let letters = '';
  for (let at = 0; at < data.length; at += PIECE) letters += String.fromCharCode(...data.subarray(at, at + PIECE));
  return btoa(letters);
}
