import { Button, Skeleton, Table } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { EmptyNote, ErrorNote, PageHead } from '@/components/Notes';
import { VmActions, VmState } from '@/components/VmParts';
import { formatImageSize } from '@/hooks/useImages';
import { useNodes, useVms } from '@/hooks/useMachines';
import { text } from '@/text/en';

const words = text.vms;
const MIB = 1024n ** 2n;

export default function VirtualMachines(): ReactNode {
  const { vms, isLoading, error, refetch } = useVms();
  const { nodes } = useNodes();
  return (
    <>
      <PageHead title={words.title} intro={words.intro}>
        <Button renderRoot={(props) => <Link to="/vms/new" {...props} />}>{words.create}</Button>
      </PageHead>
      <ErrorNote error={vms.length ? null : error} retry={() => void refetch()} />
      {isLoading && <Skeleton height={180} radius="md" />}
      {!isLoading && !error && vms.length === 0 && <EmptyNote title={words.empty} hint={words.emptyHint} />}
      {vms.length > 0 && (
        <Table.ScrollContainer minWidth={860}>
          <Table highlightOnHover verticalSpacing="sm" aria-label={words.title}>
            <Table.Thead>
              <Table.Tr>
                {Object.values(words.columns).map((column) => (
                  <Table.Th key={column}>{column}</Table.Th>
                ))}
                <Table.Td />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {vms.map((vm) => (
                <Table.Tr key={vm.id}>
                  <Table.Td><Link to="/vms/$vmId" params={{ vmId: vm.id }}>{vm.name}</Link></Table.Td>
                  <Table.Td><VmState vm={vm} /></Table.Td>
                  <Table.Td>{vm.status?.imageName || text.unknown}</Table.Td>
                  <Table.Td>{nodes.find(({ id }) => id === vm.status?.nodeId)?.hostname ?? text.unknown}</Table.Td>
                  <Table.Td>{words.cores(vm.spec?.cpu?.cores ?? 0, formatImageSize((vm.spec?.memory?.sizeMib ?? 0n) * MIB))}</Table.Td>
                  <Table.Td className="numbers">{vm.status?.ipAddresses.join(', ') || text.unknown}</Table.Td>
                  <Table.Td><VmActions vm={vm} /></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </>
  );
}
