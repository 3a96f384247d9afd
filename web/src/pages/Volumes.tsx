import { Skeleton, Table } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { EmptyNote, ErrorNote, PageHead } from '@/components/Notes';
import { useNodes, useVms } from '@/hooks/useMachines';
import { text } from '@/text/en';

const words = text.volumes;

/** The disks of VMs, each with what it is built on. */
export default function Volumes(): ReactNode {
  const { vms, isLoading, error, refetch } = useVms();
  const { nodes } = useNodes();
  const disks = vms.flatMap((vm) => (vm.spec?.disks ?? []).map((disk, index) => ({ vm, disk, index })));
  return (
    <>
      <PageHead title={words.title} intro={words.intro} />
      <ErrorNote error={vms.length ? null : error} retry={() => void refetch()} />
      {isLoading && <Skeleton height={180} radius="md" />}
      {!isLoading && !error && disks.length === 0 && <EmptyNote title={words.empty} hint={words.emptyHint} />}
      {disks.length > 0 && (
        <Table.ScrollContainer minWidth={560}>
          <Table highlightOnHover aria-label={words.title}>
            <Table.Thead>
              <Table.Tr>
                {Object.values(words.columns).map((column) => (
                  <Table.Th key={column}>{column}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {disks.map(({ vm, disk, index }) => (
                <Table.Tr key={`${vm.id} ${index}`}>
                  <Table.Td><Link to="/vms/$vmId" params={{ vmId: vm.id }}>{vm.name}</Link></Table.Td>
                  <Table.Td>{disk.id || index + 1}</Table.Td>
                  <Table.Td className="numbers">{disk.sizeGib ? `${disk.sizeGib} GiB` : words.imageSize}</Table.Td>
                  <Table.Td>
                    {index === 0 && vm.status?.imageId ? (
                      <Link to="/storage/images/$imageId" params={{ imageId: vm.status.imageId }}>{vm.status.imageName || disk.image}</Link>
                    ) : (
                      disk.image || words.own
                    )}
                  </Table.Td>
                  <Table.Td>{nodes.find(({ id }) => id === vm.status?.nodeId)?.hostname ?? text.unknown}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </>
  );
}
