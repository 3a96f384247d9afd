import { Badge, Card, Group, Skeleton, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { EmptyNote, ErrorNote, PageHead } from '@/components/Notes';
import { SpaceBar } from '@/components/SpaceBar';
import { tip } from '@/components/Tips';
import { type StoragePool, StorageBackend_BackendType, StoragePoolStatus_Phase } from '@/gen/limiquantix/storage/v1/pool_pb';
import { formatImageSize, useImages } from '@/hooks/useImages';
import { useNodes, usePools, useVms } from '@/hooks/useMachines';
import { text } from '@/text/en';

const words = text.pools;

export default function StoragePools(): ReactNode {
  const { pools, isLoading, error, refetch } = usePools();
  return (
    <>
      <PageHead title={words.title} intro={words.intro} />
      <ErrorNote error={pools.length ? null : error} retry={() => void refetch()} />
      {isLoading && <Skeleton height={180} radius="md" />}
      {!isLoading && !error && pools.length === 0 && <EmptyNote title={words.empty} hint={words.emptyHint} />}
      <div className="catalog">
        {pools.map((pool) => (
          <PoolCard key={pool.id} pool={pool} />
        ))}
      </div>
    </>
  );
}

function PoolCard({ pool }: { pool: StoragePool }): ReactNode {
  const { images } = useImages();
  const { vms } = useVms();
  const { nodes } = useNodes();
  const nodeIds = new Set([...(pool.spec?.assignedNodeIds ?? []), nodeOf(pool)].filter(Boolean));
  const here = images.filter((image) => image.status?.placements.some((placement) => placement.state === 'ready' && placement.storagePoolId === pool.id));
  const bytes = here.reduce((sum, image) => sum + (image.status?.sizeBytes ?? 0n), 0n);
  const disks = vms.filter((vm) => nodeIds.has(vm.status?.nodeId ?? '')).reduce((sum, vm) => sum + (vm.spec?.disks.length ?? 0), 0);
  const { totalBytes: total = 0n, usedBytes: used = 0n } = pool.status?.capacity ?? {};
  const phase = pool.status?.phase ?? StoragePoolStatus_Phase.UNKNOWN;
  const [nodeId] = nodeIds;
  return (
    <Card withBorder component="article" aria-label={pool.name} className="card" mih={180}>
      <Group justify="space-between" wrap="nowrap">
        <Title order={2} size="h5" className="clip">{pool.name}</Title>
        <Badge variant="light" tt="none" color={phase === StoragePoolStatus_Phase.READY ? 'teal' : 'orange'}>{words.phase[phase]}</Badge>
      </Group>
      <Text size="sm" c="dimmed">
        {[StorageBackend_BackendType[pool.spec?.backend?.type ?? 0], nodes.filter(({ id }) => nodeIds.has(id)).map(({ hostname }) => hostname).join(', ')].filter(Boolean).join(' · ')}
      </Text>
      {pool.status?.errorMessage && <ErrorNote error={pool.status.errorMessage} />}
      <SpaceBar used={used} total={total} label={words.space(pool.name)} said={words.used(formatImageSize(used), formatImageSize(total))} />
      <Group justify="space-between" mt="auto">
        <Link to="/storage/images" search={{ tab: 'local', node: nodeId }} {...tip(words.on(pool.name))}>{words.images(here.length, formatImageSize(bytes))}</Link>
        <Text size="sm">{words.vms(disks)}</Text>
      </Group>
    </Card>
  );
}

function nodeOf(pool: StoragePool): string {
  const config = pool.spec?.backend?.config;
  return config?.case === 'localDir' ? config.value.nodeId : '';
}
