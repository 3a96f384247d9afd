import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { IconPower } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { JobProgress } from '@/components/JobProgress';
import { ErrorNote } from '@/components/Notes';
import { type Image, type ImportStatus, ImageStatus_Phase } from '@/gen/limiquantix/storage/v1/image_pb';
import type { BootProof as Proof, BootStageTime } from '@/gen/limiquantix/storage/v1/trust_pb';
import { formatMoment } from '@/hooks/format';
import { isLive } from '@/hooks/jobs';
import { useImportStatus, useJobs, useProveImage } from '@/hooks/useImages';
import { useNodes } from '@/hooks/useMachines';
import { Facts } from '@/pages/image/Facts';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const words = imageText.booting;

/** Whether the image boots: what was seen the last time that it was tried, and a way to try it now. */
export function BootProof({ image }: { image: Image }): ReactNode {
  const prove = useProveImage();
  const { jobs } = useJobs();
  const running = jobs.find((job) => job.kind === 'prove' && job.imageId === image.id && isLive(job));
  const { status: asked } = useImportStatus(prove.data?.jobId);
  const job = running ?? (asked && isLive(asked) ? asked : undefined);
  const proof = image.status?.bootProof;
  const ready = image.status?.phase === ImageStatus_Phase.READY && image.status.digest;
  return (
    <Stack gap="sm">
      {proof ? <Seen proof={proof} boots={image.status?.boots ?? false} /> : <Text c="dimmed">{words.never}</Text>}
      {job && <Trial job={job} />}
      <ErrorNote error={prove.error} />
      {ready && !job && (
        <Group gap="sm">
          <Button size="xs" variant="default" leftSection={<IconPower size={16} aria-hidden />} loading={prove.isPending} onClick={() => prove.mutate({ image: image.id })} aria-describedby="prove-hint">
            {words.start}
          </Button>
          <Text id="prove-hint" size="xs" c="dimmed">{words.startHint}</Text>
        </Group>
      )}
    </Stack>
  );
}

/** A throw-away VM on its way. */
function Trial({ job }: { job: ImportStatus }): ReactNode {
  return (
    <div>
      <JobProgress job={job} />
      <Text size="xs" c="dimmed" role="status">{stagesOf(job.bootStages)}</Text>
    </div>
  );
}

function Seen({ proof, boots }: { proof: Proof; boots: boolean }): ReactNode {
  const { nodes } = useNodes();
  const node = nodes.find(({ id }) => id === proof.nodeId)?.hostname ?? proof.nodeId;
  const facts = proof.facts;
  const told = boots ? words.outcomes['passed'] : words.outcomes[proof.outcome];
  return (
    <>
      {proof.outcome === 'failed' ? (
        <Alert color="red" variant="light" title={words.failedAt(stageOf(proof.failedStage), proof.failedModule)}>
          <Text size="sm" c="inherit">{proof.errorMessage}</Text>
          <Text size="sm" c="inherit">{proof.errorRemedy}</Text>
        </Alert>
      ) : (
        <Text size="sm">{proof.unproved || told}</Text>
      )}
      <Facts
        facts={[
          [words.at, formatMoment(proof.provedAt)],
          [words.on, [node, proof.hypervisor, proof.accelerator, proof.firmware].filter(Boolean).join(', ')],
          [words.profile, proof.profile],
          [words.login, proof.loginUser && words.loggedIn(proof.loginUser, proof.loginMethod)],
          [words.stages, stagesOf(proof.stages)],
          [words.system, facts?.osRelease],
          [words.kernel, facts?.kernel],
          [imageText.detail.cloudInit, [facts?.cloudInit, facts?.datasource].filter(Boolean).join(', ')],
          [words.hostKeys, facts?.hostKeyTypes.join(', ')],
          [imageText.detail.agent, facts?.agent ? imageText.detail.yes : proof.loginUser && imageText.detail.no],
        ]}
      />
      {proof.serialTail && (
        <details>
          <summary>{words.serial}</summary>
          <pre className="serial-tail" tabIndex={0}>{proof.serialTail}</pre>
        </details>
      )}
    </>
  );
}

function stageOf(stage: string): string {
  return words.stage[stage] ?? text.vms.stages[stage] ?? stage;
}

function stagesOf(stages: readonly BootStageTime[]): string {
  return stages.map(({ stage, seconds }) => words.after(stageOf(stage), seconds)).join(' · ');
}
