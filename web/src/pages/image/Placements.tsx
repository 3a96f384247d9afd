import { Badge, Button, Group, Progress, Stack, Text } from '@mantine/core';
import { IconShieldSearch } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ErrorNote } from '@/components/Notes';
import type { Image, ImagePlacement, VerifyImageProgress } from '@/gen/limiquantix/storage/v1/image_pb';
import { formatImageSize, formatMoment } from '@/hooks/format';
import { useNodes } from '@/hooks/useMachines';
import { useVerifyImage } from '@/hooks/useVerifyImage';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const words = imageText.detail;
const COLORS: Record<string, string> = { ready: 'teal', fetching: 'indigo', damaged: 'red' };

/** The copies of an image, and a way to have their bytes read again now. */
export function Placements({ image }: { image: Image }): ReactNode {
  const { nodes } = useNodes();
  const check = useVerifyImage(image.id);
  const placements = image.status?.placements ?? [];
  if (placements.length === 0) return <Text c="dimmed">{words.noPlacements}</Text>;
  const nameOf = (nodeId: string): string => nodes.find(({ id }) => id === nodeId)?.hostname ?? nodeId;
  const checkable = image.status?.digest && placements.some(({ state }) => state === 'ready');
  return (
    <Stack gap="sm">
      {placements.map((placement) => (
        <Placement key={placement.nodeId} placement={placement} node={nameOf(placement.nodeId)} said={check.said.get(placement.nodeId)} />
      ))}
      <ErrorNote error={check.error} />
      {checkable && (
        <Group gap="sm">
          <Button size="xs" variant="default" leftSection={<IconShieldSearch size={16} aria-hidden />} loading={check.running} onClick={check.start} aria-describedby="check-hint">
            {words.check}
          </Button>
          {check.running && <Button size="xs" variant="subtle" onClick={check.stop}>{text.cancel}</Button>}
          <Text id="check-hint" size="xs" c="dimmed">{words.checkHint}</Text>
        </Group>
      )}
    </Stack>
  );
}

function Placement({ placement, node, said }: { placement: ImagePlacement; node: string; said: VerifyImageProgress | undefined }): ReactNode {
  return (
    <div data-state={placement.state}>
      <Group gap="xs">
        <Text fw={600}>{node}</Text>
        <Badge variant="light" tt="none" color={COLORS[placement.state] ?? 'orange'}>{words.states[placement.state] ?? placement.state}</Badge>
      </Group>
      <Text size="sm" c="dimmed" ff="monospace" style={{ overflowWrap: 'anywhere' }}>{placement.path}</Text>
      {placement.state === 'damaged' && <Text size="sm">{words.damagedHint}</Text>}
      <Text size="sm" c="dimmed">{words.verifiedAt}: {formatMoment(placement.verifiedAt)}</Text>
      {said && <Finding said={said} node={node} />}
    </div>
  );
}

/** How far the reading of one copy is, then what was found. */
function Finding({ said, node }: { said: VerifyImageProgress; node: string }): ReactNode {
  if (said.result === 'whole') return <Text size="sm" role="status">{words.results['whole']}</Text>;
  if (said.result) return <ErrorNote error={said.error || (words.results[said.result] ?? said.result)} title={words.results[said.result] ?? said.errorCode} />;
  const percent = said.bytesTotal > 0n ? Number((said.bytesDone * 100n) / said.bytesTotal) : 0;
  return (
    <>
      <Progress value={percent} animated size="md" mt={4} aria-label={words.checking(node)} />
      <Text size="xs" c="dimmed" className="numbers">{`${percent} % · ${text.jobs.of(formatImageSize(said.bytesDone), formatImageSize(said.bytesTotal))}`}</Text>
    </>
  );
}
