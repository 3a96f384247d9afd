import { Badge, Text } from '@mantine/core';
import { memo, type ReactNode } from 'react';
import { BootMark } from '@/components/BootMark';
import { DistroLogo } from '@/components/DistroLogo';
import { TrustBadge } from '@/components/TrustBadge';
import { ImageStatus_Phase } from '@/gen/limiquantix/storage/v1/image_pb';
import { formatAge } from '@/hooks/format';
import { formatImageSize } from '@/hooks/useImages';
import type { ImageRow } from '@/pages/images/rows';
import { text } from '@/text/en';

/** What a row of the table says. */
export const ImageCells = memo(
  function ImageCells({ row, name }: { row: ImageRow; name: ReactNode }): ReactNode {
    const { image } = row;
    const status = image.status;
    return (
      <>
        <span role="cell" className="named">
          <DistroLogo distribution={row.distribution} size={22} />
          <span className="clip">{name}</span>
          {status?.convertedFrom?.captured && <Badge size="xs" variant="default" tt="none">{text.images.template}</Badge>}
        </span>
        <span role="cell" className="clip">{[row.distribution, image.spec?.os?.version].filter(Boolean).join(' ') || text.unknown}</span>
        <span role="cell" className="numbers">{image.version || text.unknown}</span>
        <span role="cell" className="numbers">{formatImageSize(status?.sizeBytes)}</span>
        <span role="cell">{row.format}</span>
        <span role="cell">
          <PhaseOrTrust row={row} />
        </span>
        <span role="cell" className="numbers">{row.on || text.unknown}</span>
        <span role="cell" className="numbers">{row.usedBy || text.unknown}</span>
        <span role="cell" className="numbers">{formatAge(image.createdAt)}</span>
      </>
    );
  },
  (before, after) => before.row === after.row,
);

function PhaseOrTrust({ row: { image } }: { row: ImageRow }): ReactNode {
  const phase = image.status?.phase ?? ImageStatus_Phase.UNKNOWN;
  if (phase === ImageStatus_Phase.READY) {
    return (
      <span className="marks">
        <TrustBadge level={image.status?.trust} verified evidence={image.status?.evidence} />
        <BootMark status={image.status} />
      </span>
    );
  }
  const failed = phase === ImageStatus_Phase.ERROR;
  return (
    <Badge variant="light" tt="none" color={failed ? 'red' : 'indigo'}>
      {text.images.phase[phase]}
      {!failed && image.status?.progressPercent ? <Text span size="xs"> {image.status.progressPercent} %</Text> : null}
    </Badge>
  );
}
