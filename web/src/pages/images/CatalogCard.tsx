import { ActionIcon, Badge, Button, Card, Group, Text, Title } from '@mantine/core';
import { IconChevronDown, IconDownload } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { memo, type ReactNode, Suspense, useState } from 'react';
import { later } from '@/components/later';
import { DistroLogo } from '@/components/DistroLogo';
import { JobProgress } from '@/components/JobProgress';
import { ErrorNote } from '@/components/Notes';
import { tip } from '@/components/Tips';
import { TrustBadge } from '@/components/TrustBadge';
import type { Node } from '@/gen/limiquantix/compute/v1/node_pb';
import { type Image, type ImageCatalogEntry, ImageStatus_Phase, type ImportStatus } from '@/gen/limiquantix/storage/v1/image_pb';
import { isSupportOver } from '@/hooks/catalog';
import { hasFailed, isLive } from '@/hooks/jobs';
import { formatImageSize, getDefaultUser, useDownloadImage, usePlaceImage } from '@/hooks/useImages';
import { text } from '@/text/en';

const NodeMenu = later(() => import('@/pages/images/NodeMenu'));

interface Props {
  entry: ImageCatalogEntry;
  /** Those made from the entry that names point to. */
  images: readonly Image[];
  job: ImportStatus | undefined;
  nodes: readonly Node[];
  /** No server answers: there is nothing to download with. */
  offline: boolean;
}

/** One entry of the catalogue: what it is, how far it can be trusted, where it is, and how to get it. */
export const CatalogCard = memo(function CatalogCard({ entry, images, job, nodes, offline }: Props): ReactNode {
  const ready = images.find((image) => image.status?.phase === ImageStatus_Phase.READY);
  const on = new Set(images.flatMap((image) => image.status?.placements ?? []).filter(({ state }) => state === 'ready').map(({ nodeId }) => nodeId));
  const shown = job && (isLive(job) || (hasFailed(job) && !ready)) ? job : undefined;
  const over = isSupportOver(entry);
  return (
    <Card component="article" withBorder className="card" aria-label={entry.name} data-catalog-id={entry.id}>
      <Group wrap="nowrap" align="flex-start" gap="sm">
        <DistroLogo distribution={entry.os?.distribution ?? ''} size={38} />
        <div style={{ minWidth: 0 }}>
          <Title order={2} size="h5" lineClamp={2}>
            {entry.name}
          </Title>
          <Text size="xs" c="dimmed" ff="monospace" className="clip">
            {entry.id}
          </Text>
        </div>
      </Group>
      <Group gap={6}>
        <TrustBadge level={ready ? ready.status?.trust : entry.trust} verified={Boolean(ready)} evidence={ready ? ready.status?.evidence : demanded(entry)} />
        {entry.architectures.map((architecture) => (
          <Badge key={architecture} variant="default" tt="none" fw={500}>
            {architecture}
          </Badge>
        ))}
        {over && (
          <Badge color="orange" variant="light" tt="none">
            {text.images.supportOver(entry.supportEnds)}
          </Badge>
        )}
      </Group>
      <dl className="facts">
        <dt>{text.images.user}</dt>
        <dd><code>{getDefaultUser(ready ?? entry) || text.unknown}</code></dd>
        <dt>{text.images.size}</dt>
        <dd className="numbers">{formatImageSize(ready?.status?.sizeBytes || entry.sizeBytes)}</dd>
        {!over && <dt>{text.images.support}</dt>}
        {!over && <dd className="numbers">{entry.supportEnds || text.images.noEnd}</dd>}
      </dl>
      <div style={{ marginTop: 'auto' }}>
        {shown ? <JobProgress job={shown} /> : <Foot entry={entry} ready={ready} on={on} nodes={nodes} offline={offline} />}
      </div>
    </Card>
  );
});

interface FootProps extends Pick<Props, 'entry' | 'nodes' | 'offline'> {
  ready: Image | undefined;
  on: ReadonlySet<string>;
}

function Foot({ entry, ready, on, nodes, offline }: FootProps): ReactNode {
  const download = useDownloadImage();
  const place = usePlaceImage();
  const [asked, setAsked] = useState(false);
  const label = text.images.chooseFor(entry.name);
  const variant = ready ? 'default' : 'filled';
  const everywhere = nodes.length > 0 && nodes.every(({ id }) => on.has(id));
  const error = download.error ?? place.error ?? refusalIn(place.data);
  return (
    <>
      <ErrorNote error={error} />
      <Group justify="space-between" wrap="nowrap" mt={error ? 'xs' : 0}>
        {ready ? (
          <Link to="/storage/images/$imageId" params={{ imageId: ready.id }} {...tip(text.images.open(entry.name))}>
            {text.images.onNodes(on.size, nodes.length)}
          </Link>
        ) : (
          <Text size="sm" c="dimmed">{text.images.notHere}</Text>
        )}
        {!everywhere && (
          <Button.Group>
            <Button
              size="sm"
              variant={variant}
              leftSection={<IconDownload size={16} aria-hidden />}
              loading={download.isPending || place.isPending}
              disabled={offline}
              aria-label={text.images.downloadName(entry.name)}
              onClick={() => (ready ? place.mutate({ image: ready.id, allNodes: true }) : download.mutate({ catalogId: entry.id }))}
            >
              {text.download}
            </Button>
            {asked ? (
              <Suspense fallback={<ActionIcon size={36} variant={variant} loading className="joined" aria-label={label} />}>
                <NodeMenu
                  label={label}
                  variant={variant}
                  nodes={nodes.filter(({ id }) => !on.has(id))}
                  toAny={ready ? undefined : () => download.mutate({ catalogId: entry.id })}
                  toAll={() => place.mutate({ image: ready?.id ?? entry.id, allNodes: true })}
                  toOne={(nodeId) => download.mutate({ catalogId: entry.id, nodeId })}
                />
              </Suspense>
            ) : (
              <ActionIcon size={36} variant={variant} disabled={offline} aria-label={label} aria-haspopup="menu" className="joined" onClick={() => setAsked(true)}>
                <IconChevronDown size={16} aria-hidden />
              </ActionIcon>
            )}
          </Button.Group>
        )}
      </Group>
    </>
  );
}

/** Why a node refused its copy, where one did. */
function refusalIn(answer: { results: readonly { outcome: string; hostname: string; errorMessage: string }[] } | undefined): string | undefined {
  const refused = answer?.results.find(({ outcome }) => outcome === 'refused');
  return refused && `${refused.hostname}: ${refused.errorMessage}`;
}

/** Whose signature a download will ask for, where that is one key. */
function demanded(entry: ImageCatalogEntry): { keyOwner: string; keyFingerprint: string } | undefined {
  const [keyFingerprint, ...others] = new Set(entry.variants.flatMap((variant) => variant.signingKeys));
  return keyFingerprint && others.length === 0 ? { keyFingerprint, keyOwner: entry.variants[0]?.keyOwners[0] ?? '' } : undefined;
}
