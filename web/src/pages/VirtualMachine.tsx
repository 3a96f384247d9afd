import { Alert, Button, Card, Code, CopyButton, Group, Skeleton, Stack, Stepper, Text, Title } from '@mantine/core';
import { IconCopy, IconDeviceDesktop, IconTemplate, IconTerminal2 } from '@tabler/icons-react';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, Suspense, useState } from 'react';
import { later } from '@/components/later';
import { Pending } from '@/components/Edges';
import { JobProgress } from '@/components/JobProgress';
import { EmptyNote, ErrorNote } from '@/components/Notes';
import { Failures, HostKeys } from '@/components/vm/GuestWords';
import { tip } from '@/components/Tips';
import { VmActions, VmState } from '@/components/VmParts';
import { type VirtualMachine as Vm, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';
import { formatMoment } from '@/hooks/format';
import { isLive } from '@/hooks/jobs';
import { formatImageSize, useImportStatus } from '@/hooks/useImages';
import { useNodes, useVm } from '@/hooks/useMachines';
import { Thumbnail } from '@/pages/vm/Thumbnail';
import { captureText } from '@/text/capture';
import { text } from '@/text/en';
import { imageText } from '@/text/image';

const DiskCard = later(() => import('@/pages/vm/DiskCard'));
const CaptureDialog = later(() => import('@/pages/vm/CaptureDialog'));
const words = text.vms;
const STAGES = Object.keys(words.stages);
const MIB = 1024n ** 2n;

/** One VM: how far its first boot has come, how to log in, and what it is made of. */
export default function VirtualMachine(): ReactNode {
  const { vmId } = useParams({ from: '/inside/vms/$vmId' });
  const { vm, isLoading, error, refetch } = useVm(vmId);
  const go = useNavigate();
  if (isLoading) return <Pending />;
  if (!vm) {
    return error && !/no VM|unknown/i.test(String(error.message)) ? (
      <ErrorNote error={error} retry={() => void refetch()} />
    ) : (
      <EmptyNote title={words.gone} hint={words.goneHint} order={1}>
        <Link to="/vms">{words.title}</Link>
      </EmptyNote>
    );
  }
  const { status } = vm;
  return (
    <Stack>
      <Group justify="space-between">
        <Group gap="sm">
          <Title order={1} size="h2">{vm.name}</Title>
          <VmState vm={vm} />
        </Group>
        <Group gap="xs" align="flex-start">
          <Button size="xs" variant="default" leftSection={<IconTerminal2 size={14} aria-hidden />} renderRoot={(props) => <Link to="/vms/$vmId/console" params={{ vmId: vm.id }} {...props} />}>{words.console}</Button>
          <Button size="xs" variant="default" leftSection={<IconDeviceDesktop size={14} aria-hidden />} renderRoot={(props) => <Link to="/vms/$vmId/display" params={{ vmId: vm.id }} {...props} />}>{words.display}</Button>
          <Capture vm={vm} />
          <VmActions vm={vm} deleted={() => void go({ to: '/vms' })} />
        </Group>
      </Group>
      {status?.errorMessage && <ErrorNote error={`${status.errorMessage} ${status.errorRemedy}`} title={status.errorCode} />}
      {status?.warnings.map((warning) => <Alert key={warning} color="orange" variant="light" title={words.warnings}>{warning}</Alert>)}
      {status && status.cloudInitErrors.length > 0 && <ErrorNote error={status.cloudInitErrors.join('\n')} title={words.cloudInitErrors} />}
      {status && <Failures status={status} />}
      {status?.stage && (status.state === State.PROVISIONING || status.state === State.RUNNING) && <Boot vm={vm} />}
      <Thumbnail vm={vm} />
      <Login vm={vm} />
      <Card withBorder component="section" aria-label={words.facts}>
        <Facts vm={vm} />
      </Card>
      {status?.stage !== 'image' && <Suspense fallback={<Skeleton height={160} />}><DiskCard vm={vm} /></Suspense>}
    </Stack>
  );
}

function Capture({ vm }: { vm: Vm }): ReactNode {
  const [open, setOpen] = useState(false);
  const state = vm.status?.state;
  const ready = state === State.STOPPED || state === State.CRASHED || state === State.RUNNING;
  return (
    <>
      <span {...(ready ? {} : tip(captureText.notNow))}>
        <Button size="xs" variant="default" leftSection={<IconTemplate size={14} aria-hidden />} disabled={!ready} onClick={() => setOpen(true)}>{captureText.open}</Button>
      </span>
      <Suspense>{open && <CaptureDialog vm={vm} close={() => setOpen(false)} />}</Suspense>
    </>
  );
}

function Boot({ vm }: { vm: Vm }): ReactNode {
  const stage = STAGES.indexOf(vm.status?.stage ?? '');
  const done = vm.status?.stage === 'done';
  const { status: job } = useImportStatus(vm.status?.jobId || undefined);
  return (
    <Card withBorder component="section" aria-label={words.boot}>
      <Title order={2} size="h5" mb="sm">{words.boot}</Title>
      <Stepper active={done ? STAGES.length : stage} size="sm" orientation="horizontal" aria-live="polite">
        {STAGES.map((name, index) => (
          <Stepper.Step key={name} label={words.stages[name]} loading={index === stage && !done} />
        ))}
      </Stepper>
      {job && isLive(job) && <JobProgress job={job} />}
    </Card>
  );
}

function Login({ vm: { status } }: { vm: Vm }): ReactNode {
  if (!status?.sshPort || status.state !== State.RUNNING) return null;
  const command = `ssh -p ${status.sshPort} ${status.sshUser ? `${status.sshUser}@` : ''}${status.sshHost}`;
  return (
    <Card withBorder component="section" aria-label={words.login}>
      <Title order={2} size="h5" mb="sm">{words.login}</Title>
      <Group>
        <Code fz="md">{command}</Code>
        <CopyButton value={command}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" leftSection={<IconCopy size={14} aria-hidden />} onClick={copy}>
              {copied ? text.copied : text.copy}
            </Button>
          )}
        </CopyButton>
      </Group>
      <HostKeys status={status} />
    </Card>
  );
}

function Facts({ vm }: { vm: Vm }): ReactNode {
  const { nodes } = useNodes();
  return (
    <dl className="facts">
      <dt>{words.columns.image}</dt>
      <dd>{vm.status?.imageId ? <Link to="/storage/images/$imageId" params={{ imageId: vm.status.imageId }}>{vm.status.imageName}</Link> : text.unknown}</dd>
      <dt>{words.columns.node}</dt>
      <dd>{nodes.find(({ id }) => id === vm.status?.nodeId)?.hostname ?? text.unknown}</dd>
      <dt>{words.columns.size}</dt>
      <dd>{words.cores(vm.spec?.cpu?.cores ?? 0, formatImageSize((vm.spec?.memory?.sizeMib ?? 0n) * MIB))}</dd>
      <dt>{words.columns.address}</dt>
      <dd>{vm.status?.ipAddresses.join(', ') || text.unknown}</dd>
      <dt>{imageText.detail.created}</dt>
      <dd><Text span size="sm">{formatMoment(vm.createdAt)}</Text></dd>
    </dl>
  );
}
