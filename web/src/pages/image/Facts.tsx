import { Alert, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { inGroups, provedBy } from '@/components/TrustBadge';
import { type Image, ImageSpec_Format } from '@/gen/limiquantix/storage/v1/image_pb';
import { type CapturedFrom, type ConvertedFrom, TrustLevel } from '@/gen/limiquantix/storage/v1/trust_pb';
import { formatMoment } from '@/hooks/format';
import { formatImageSize, useImages } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const words = imageText.detail;
const MIB = 1024n ** 2n;
const GIB = 1024n ** 3n;

type Fact = readonly [name: string, value: ReactNode];

export function Facts({ facts }: { facts: readonly Fact[] }): ReactNode {
  return (
    <dl className="facts">
      {facts.filter(([, value]) => value !== '' && value !== undefined).map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Of the file, and what is declared of what is in it. */
export function FileFacts({ image }: { image: Image }): ReactNode {
  const { spec, status } = image;
  const needs = spec?.requirements;
  return (
    <Facts
      facts={[
        [words.system, [spec?.os?.distribution, spec?.os?.version].filter(Boolean).join(' ')],
        [words.architecture, spec?.os?.architecture],
        [words.version, image.version || ''],
        [words.user, spec?.os?.defaultUser && <code>{spec.os.defaultUser}</code>],
        [words.size, formatImageSize(status?.sizeBytes)],
        [words.virtualSize, formatImageSize(status?.virtualSizeBytes)],
        [words.format, ImageSpec_Format[spec?.format ?? 0]?.toLowerCase()],
        [words.requirements, needs?.minMemoryMib ? words.requires(needs.minCpu, formatImageSize(needs.minMemoryMib * MIB), formatImageSize(needs.minDiskGib * GIB)) : ''],
        [words.release, status?.release],
        [words.origin, status?.origin],
        [text.images.support, status?.supportEnds],
        [words.digest, status?.digest && <code>{status.digest}</code>],
        [words.created, formatMoment(image.createdAt)],
      ]}
    />
  );
}

/** What was read from inside the image, and where that differs from what is declared. */
export function FactsFound({ image }: { image: Image }): ReactNode {
  const found = image.status?.found;
  const differences = image.status?.differences ?? [];
  if (!found?.read) return <Text c="dimmed">{found?.reason || words.notRead}</Text>;
  return (
    <>
      {differences.length > 0 && (
        <Alert color="orange" variant="light" title={words.differs} mb="sm">
          {differences.map((difference) => (
            <Text key={difference.field} size="sm" c="inherit">{difference.message}</Text>
          ))}
        </Alert>
      )}
      <Facts
        facts={[
          [words.system, found.prettyName || `${found.distribution} ${found.version}`],
          [words.architecture, found.architecture],
          [words.user, found.defaultUser && <code>{found.defaultUser}</code>],
          [imageText.detail.cloudInit, found.cloudInit ? words.yes : words.no],
          [words.datasources, found.datasources.join(', ')],
          [words.agent, found.guestAgent ? words.yes : words.no],
          [words.firmware, found.firmware.join(', ')],
          [words.filesystem, found.rootFilesystem],
        ]}
      />
      {found.reason && <Text size="sm" c="dimmed" mt="sm">{found.reason}</Text>}
    </>
  );
}

/** What was compared with what, where and when. */
export function Evidence({ image }: { image: Image }): ReactNode {
  const { nodes } = useNodes();
  const evidence = image.status?.evidence;
  const level = image.status?.trust ?? 0;
  if (!evidence?.expected) return <Text c="dimmed">{words.noEvidence}</Text>;
  return (
    <>
      <Text size="sm" mb="sm">{provedBy(level, evidence.source)}</Text>
      <Facts
        facts={[
          [words.level, text.trust.level[level]],
          [words.signer, evidence.keyOwner],
          [words.key, evidence.keyFingerprint && <code key="key">{inGroups(evidence.keyFingerprint)}</code>],
          [`${words.expected} (${evidence.algorithm})`, <code key="expected">{evidence.expected}</code>],
          [words.actual, <code key="actual">{evidence.actual}</code>],
          [words.source, evidence.source],
          [words.verifiedAt, formatMoment(evidence.verifiedAt)],
          [words.verifiedOn, nodes.find(({ id }) => id === evidence.nodeId)?.hostname ?? evidence.nodeId],
        ]}
      />
    </>
  );
}

/** Of a template: the VM, the image below its disk, and whether anything of the VM's own is left in it. */
function Template({ image, source, captured }: { image: Image; source: ConvertedFrom; captured: CapturedFrom }): ReactNode {
  const { images } = useImages();
  const base = images.find(({ status }) => source.digest !== '' && status?.digest === source.digest);
  return (
    <>
      <Text size="sm" mb="sm">{words.templateHint}</Text>
      <Facts
        facts={[
          [words.templateVm, <Link key="vm" to="/vms/$vmId" params={{ vmId: captured.vmId }}>{captured.vmName}</Link>],
          [words.templateBase, base && <Link key="base" to="/storage/images/$imageId" params={{ imageId: base.id }}>{words.named(base.name, base.version)}</Link>],
          [words.templateBaseDigest, source.digest && <code key="source">{source.digest}</code>],
          [words.sourceTrust, source.trust === TrustLevel.UNSPECIFIED ? '' : text.trust.level[source.trust]],
          [words.templateCleaned, captured.cleaned ? words.yes : words.no],
          [words.templateFrozen, captured.frozen && words.yes],
          [words.templateLeft, image.status?.digest && (captured.left.join(', ') || words.templateNothing)],
        ]}
      />
    </>
  );
}

/** The file that this one was made of, where what is stored is not what came. */
export function Conversion({ image }: { image: Image }): ReactNode {
  const source = image.status?.convertedFrom;
  if (!source) return null;
  if (source.captured) return <Template image={image} source={source} captured={source.captured} />;
  const ofImage = source.trust !== TrustLevel.UNSPECIFIED;
  return (
    <>
      <Text size="sm" mb="sm">{ofImage ? words.convertedImage : words.convertedHint}</Text>
      <Facts
        facts={[
          [words.sourceFormat, source.packing ? words.packedWith(source.format, source.packing) : source.format],
          [words.sourceSize, formatImageSize(source.sizeBytes)],
          [words.sourceDigest, <code key="source">{source.digest}</code>],
          ['sha512', source.sha512 && <code key="sha512">{source.sha512}</code>],
          [words.storedDigest, <code key="stored">{image.status?.digest}</code>],
          [words.sourceTrust, ofImage ? text.trust.level[source.trust] : ''],
          [words.sourceMachine, source.hardware && words.machine(source.hardware)],
        ]}
      />
    </>
  );
}
