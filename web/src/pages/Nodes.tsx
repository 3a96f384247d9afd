import { Badge, Card, Group, Skeleton, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { EmptyNote, ErrorNote, PageHead } from '@/components/Notes';
import { SpaceBar } from '@/components/SpaceBar';
import { tip } from '@/components/Tips';
import { type Node, NodeStatus_Phase } from '@/gen/limiquantix/compute/v1/node_pb';
import { formatAge } from '@/hooks/format';
import { formatImageSize, useImages } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { text } from '@/text/en';

const words = text.nodes;

export default function Nodes(): ReactNode {
  const { nodes, isLoading, error } = useNodes();
  const { images } = useImages();
  const counts = useMemo(() => imagesByNode(images), [images]);
  return (
    <>
      <PageHead title={words.title} intro={words.intro} />
      <ErrorNote error={nodes.length ? null : error} />
      {isLoading && <Skeleton height={180} radius="md" />}
      {!isLoading && nodes.length === 0 && <EmptyNote title={words.empty} hint={words.emptyHint} />}
      <div className="catalog">
        {nodes.map((node) => (
          <NodeCard key={node.id} node={node} images={counts.get(node.id) ?? 0} />
        ))}
      </div>
    </>
  );
}

export function imagesByNode(images: ReturnType<typeof useImages>['images']): Map<string, number> {
  const counts = new Map<string, number>();
  for (const image of images) {
    for (const { nodeId, state } of image.status?.placements ?? []) {
      if (state === 'ready') counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
    }
  }
  return counts;
}

function NodeCard({ node, images }: { node: Node; images: number }): ReactNode {
  const { status, facts } = node;
  const used = status?.diskUsedBytes ?? 0n;
  const total = status?.diskTotalBytes ?? 0n;
  const phase = status?.phase ?? NodeStatus_Phase.UNKNOWN;
  return (
    <Card withBorder component="article" aria-label={node.hostname} className="card" mih={180}>
      <Group justify="space-between" wrap="nowrap">
        <Title order={2} size="h5" className="clip">{node.hostname}</Title>
        <PhaseBadge node={node} />
      </Group>
      <Text size="sm" c="dimmed">{[facts?.architecture, facts?.accelerator, facts?.version].filter(Boolean).join(' · ')}</Text>
      {status?.errorMessage && <ErrorNote error={status.errorMessage} />}
      <DegradedNote node={node} />
      <SpaceBar used={used} total={total} label={words.spaceOf(node.hostname)} said={words.space(formatImageSize(total - used), formatImageSize(total))} />
      <Group justify="space-between" mt="auto">
        <Link to="/storage/images" search={{ tab: 'local', node: node.id }} {...tip(words.showImages(node.hostname))}>{words.images(images)}</Link>
        <Text size="sm">{words.vms(status?.runningVmCount ?? 0)}</Text>
      </Group>
      {phase !== NodeStatus_Phase.READY && <Text size="xs" c="dimmed">{words.heard(formatAge(status?.lastHeartbeat))}</Text>}
    </Card>
  );
}

/** What a node is; one that answers and takes nothing new says so. */
export function PhaseBadge({ node: { status } }: { node: Node }): ReactNode {
  const phase = status?.phase ?? NodeStatus_Phase.UNKNOWN;
  const ready = phase === NodeStatus_Phase.READY;
  const trouble = status?.degraded?.trouble;
  const color = phase === NodeStatus_Phase.OFFLINE ? 'red' : ready && !trouble ? 'teal' : 'orange';
  return (
    <Badge variant="light" tt="none" color={color}>
      {ready && trouble ? words.degraded(trouble) : words.phase[phase]}
    </Badge>
  );
}

/** Why a node takes nothing new, and what ends it. */
export function DegradedNote({ node: { hostname, status } }: { node: Node }): ReactNode {
  const degraded = status?.degraded;
  return degraded && <ErrorNote title={words.takesNothing} error={`${degraded.reason} ${words.toDo(degraded.trouble, hostname)}`} />;
}
