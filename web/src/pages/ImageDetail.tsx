import { Anchor, Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { IconArrowLeft, IconDeviceDesktop, IconTransform, IconTrash } from '@tabler/icons-react';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, Suspense, useState } from 'react';
import { later } from '@/components/later';
import { BootMark } from '@/components/BootMark';
import { DistroLogo } from '@/components/DistroLogo';
import { Pending } from '@/components/Edges';
import { JobCard } from '@/components/JobList';
import { EmptyNote, ErrorNote } from '@/components/Notes';
import { TrustBadge } from '@/components/TrustBadge';
import { type Image, ImageStatus_Phase, OsInfo_ProvisioningMethod } from '@/gen/limiquantix/storage/v1/image_pb';
import { getDefaultUser, useImage, useImages, useImageUsage, useJobs } from '@/hooks/useImages';
import { BootProof } from '@/pages/image/BootProof';
import { Conversion, Evidence, FactsFound, FileFacts } from '@/pages/image/Facts';
import { Placements } from '@/pages/image/Placements';
import { UsageGraph } from '@/pages/image/UsageGraph';
import { formatAge } from '@/hooks/format';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const ConvertDialog = later(() => import('@/pages/images/ConvertDialog'));
const DeleteDialog = later(() => import('@/pages/images/DeleteDialog'));
const words = imageText.detail;

/** All that is known of one image. */
export default function ImageDetail(): ReactNode {
  const { imageId } = useParams({ from: '/inside/storage/images/$imageId' });
  const { image, isLoading } = useImage(imageId);
  if (isLoading) return <Pending />;
  if (!image) {
    return (
      <EmptyNote title={words.gone} hint={words.goneHint} order={1}>
        <Link to="/storage/images">{text.errors.home}</Link>
      </EmptyNote>
    );
  }
  return (
    <Stack>
      <Head image={image} />
      {image.status?.errorMessage && <ErrorNote error={`${image.status.errorMessage} ${image.status.errorRemedy}`} title={image.status.errorCode} />}
      <div className="parts">
        <Part title={words.facts}><FileFacts image={image} /></Part>
        <Part title={words.found}><FactsFound image={image} /></Part>
        <Part title={words.evidence}><Evidence image={image} /></Part>
        <Part title={imageText.booting.title}><BootProof image={image} /></Part>
        {image.status?.convertedFrom && <Part title={words.converted}><Conversion image={image} /></Part>}
        <Part title={words.usage}><Usage image={image} /></Part>
        <Part title={words.placements}><Placements image={image} /></Part>
        <Part title={words.versions}><Versions image={image} /></Part>
        <Part title={words.cloudInit}><CloudInit image={image} /></Part>
        <Part title={words.jobs}><Jobs image={image} /></Part>
      </div>
    </Stack>
  );
}

function Head({ image }: { image: Image }): ReactNode {
  const [dialog, open] = useState<'convert' | 'delete' | undefined>(undefined);
  const close = (): void => open(undefined);
  const go = useNavigate();
  const ready = image.status?.phase === ImageStatus_Phase.READY;
  return (
    <Group justify="space-between" gap="sm">
      <div>
        <Anchor renderRoot={(props) => <Link to="/storage/images" search={{ tab: 'local' }} {...props} />} size="sm">
          <Group gap={4}><IconArrowLeft size={14} aria-hidden />{words.back}</Group>
        </Anchor>
        <Group gap="sm" mt={4}>
          <DistroLogo distribution={image.spec?.os?.distribution ?? ''} size={32} />
          <Title order={1} size="h2" style={{ overflowWrap: 'anywhere' }}>{image.name}</Title>
          {ready ? <TrustBadge level={image.status?.trust} verified evidence={image.status?.evidence} /> : <Badge variant="light" tt="none">{text.images.phase[image.status?.phase ?? 0]}</Badge>}
          {ready && <BootMark status={image.status} />}
          {image.status?.convertedFrom?.captured && <Badge variant="default" tt="none">{text.images.template}</Badge>}
          {image.protected && <Badge variant="default" tt="none">{text.images.protected}</Badge>}
          {image.deprecation?.deprecated && <Badge color="orange" variant="light" tt="none">{text.images.deprecated}</Badge>}
        </Group>
        {image.description && <Text c="dimmed" mt={4}>{image.description}</Text>}
      </div>
      <Group gap="xs">
        {ready && <Button renderRoot={(props) => <Link to="/vms/new" search={{ image: image.id }} {...props} />} leftSection={<IconDeviceDesktop size={16} aria-hidden />}>{text.vms.create}</Button>}
        {ready && (
          <Button variant="default" leftSection={<IconTransform size={16} aria-hidden />} onClick={() => open('convert')}>
            {imageText.converting.open}
          </Button>
        )}
        <Button color="red" variant="light" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => open('delete')}>
          {text.remove}
        </Button>
      </Group>
      <Suspense>
        {dialog === 'convert' && <ConvertDialog image={image} close={close} />}
        {dialog === 'delete' && <DeleteDialog images={[image]} close={close} done={() => void go({ to: '/storage/images', search: { tab: 'local' } })} />}
      </Suspense>
    </Group>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <Card withBorder component="section" aria-label={title}>
      <Title order={2} size="h5" mb="sm">{title}</Title>
      {children}
    </Card>
  );
}

function Usage({ image }: { image: Image }): ReactNode {
  const usage = useImageUsage(image.id);
  if (usage.error) return <ErrorNote error={usage.error} retry={() => void usage.refetch()} />;
  const { vms = [], derived = [], madeOf = [] } = usage.data ?? {};
  return (
    <Stack gap="xs">
      {vms.length + derived.length > 0 ? <UsageGraph name={image.name} vms={vms} derived={derived} /> : <Text c="dimmed">{words.noUsage}</Text>}
      {madeOf.map((one) => (
        <Text key={one.id} size="sm">{words.madeOf} <Link to="/storage/images/$imageId" params={{ imageId: one.id }}>{one.title}</Link>{one.vmName && `, ${words.throughVm(one.vmName)}`}</Text>
      ))}
    </Stack>
  );
}

function Versions({ image }: { image: Image }): ReactNode {
  const { images } = useImages();
  const versions = images
    .filter((other) => other.name.toLowerCase() === image.name.toLowerCase() && other.projectId === image.projectId)
    .sort((one, other) => other.version - one.version);
  return (
    <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
      {versions.map((version) => (
        <Group key={version.id} component="li" gap="xs">
          {version.id === image.id ? <Text fw={600}>{version.version}</Text> : <Link to="/storage/images/$imageId" params={{ imageId: version.id }}>{version.version}</Link>}
          <Text size="sm">{version.status?.release}</Text>
          <Text size="sm" c="dimmed">{formatAge(version.createdAt)}</Text>
          {version.current && <Badge variant="light" tt="none">{words.current}</Badge>}
        </Group>
      ))}
    </Stack>
  );
}

function CloudInit({ image }: { image: Image }): ReactNode {
  const os = image.spec?.os;
  const uses = os?.cloudInitEnabled || os?.provisioningMethod === OsInfo_ProvisioningMethod.CLOUD_INIT || image.status?.found?.cloudInit;
  if (!uses) return <Text c="dimmed">{words.noCloudInit}</Text>;
  return (
    <>
      <dl className="facts">
        <dt>{words.user}</dt>
        <dd><code>{getDefaultUser(image) || text.unknown}</code></dd>
        <dt>{words.datasources}</dt>
        <dd>{image.status?.found?.datasources.join(', ') || text.unknown}</dd>
      </dl>
      <Text size="sm" c="dimmed" mt="sm">{words.ssh}</Text>
    </>
  );
}

function Jobs({ image }: { image: Image }): ReactNode {
  const { jobs } = useJobs();
  const own = jobs.filter((job) => job.imageId === image.id).slice(0, 10);
  if (own.length === 0) return <Text c="dimmed">{words.noJobs}</Text>;
  return <Stack gap="xs">{own.map((job) => <JobCard key={job.jobId} job={job} />)}</Stack>;
}
