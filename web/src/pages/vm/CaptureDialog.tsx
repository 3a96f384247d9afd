import { Alert, Button, Checkbox, Group, Loader, Stack, Text, TextInput, Title } from '@mantine/core';
import { IconCheck } from '@tabler/icons-react';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { JobProgress } from '@/components/JobProgress';
import { ErrorNote } from '@/components/Notes';
import { type AuditReport, Finding_Severity as Severity, type VirtualMachine, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';
import { useCaptureAudit, useCaptureTemplate } from '@/hooks/useCapture';
import { useImportStatus } from '@/hooks/useImages';
import { text } from '@/text/en';
import { captureText as words } from '@/text/capture';

const COLORS = ['gray', 'teal', 'orange', 'red'];

/** What of the VM's own is on its disk, what is to become of that, and the job that makes the template. */
export default function CaptureDialog({ vm, close }: { vm: VirtualMachine; close: () => void }): ReactNode {
  const audit = useCaptureAudit(vm.id);
  const capture = useCaptureTemplate();
  const { status } = useImportStatus(capture.data?.jobId);
  const [name, setName] = useState(`${vm.name.slice(0, 50)}-template`);
  const [description, setDescription] = useState('');
  const [clean, setClean] = useState(true);
  const [force, setForce] = useState(false);
  const [frozen, setFrozen] = useState(false);
  const [inGuest, setInGuest] = useState(false);
  const runs = vm.status?.state === State.RUNNING;
  const report = audit.data;
  const cleaned = (clean && report?.cleanable === true) || inGuest;
  const blocked = report?.findings.some(({ severity }) => severity === Severity.BLOCKER) === true && !cleaned;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    capture.mutate({ vmId: vm.id, name: name.trim(), description: description.trim(), asItIs: !cleaned, force: blocked && force, frozen: runs && frozen, cleanInGuest: inGuest });
  };
  const job = status ?? capture.data;
  if (job) {
    return (
      <Dialog close={close} title={words.title(vm.name)}>
        <Stack>
          <JobProgress job={job} />
          <Text size="sm" c="dimmed">{words.goesOn}</Text>
          <Group justify="flex-end"><Button variant="default" onClick={close}>{text.close}</Button></Group>
        </Stack>
      </Dialog>
    );
  }
  return (
    <Dialog close={close} title={words.title(vm.name)} size="lg">
      <form onSubmit={submit}>
        <Stack aria-busy={audit.isPending}>
          <Text size="sm">{words.intro}</Text>
          {runs && <Checkbox label={words.frozen} description={words.frozenHint} checked={frozen} onChange={(event) => setFrozen(event.currentTarget.checked)} />}
          <TextInput data-autofocus label={words.name} description={words.nameHint} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label={words.description} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
          <Title order={3} size="h5">{words.findings}</Title>
          {audit.isPending && <Loader size="sm" aria-label={words.looking} />}
          <ErrorNote error={audit.error} retry={() => void audit.refetch()} />
          {report && <Findings report={report} cleaned={cleaned} />}
          {report?.cleanable && <Checkbox label={words.clean} description={words.cleanHint} checked={clean} onChange={(event) => setClean(event.currentTarget.checked)} />}
          {report && !report.cleanable && runs && <Checkbox label={words.inGuest} description={words.inGuestHint} checked={inGuest} onChange={(event) => setInGuest(event.currentTarget.checked)} />}
          {report && !report.cleanable && blocked && <Text size="sm">{words.cannotClean(report.fileSystem || words.unknown)}</Text>}
          {blocked && <Checkbox label={words.force} checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />}
          <ErrorNote error={capture.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{text.cancel}</Button>
            <Button type="submit" loading={capture.isPending} disabled={!report || !name.trim() || (blocked && !force) || (runs && !frozen)}>{words.start}</Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

function Findings({ report, cleaned }: { report: AuditReport; cleaned: boolean }): ReactNode {
  const grave = report.findings.filter(({ severity }) => severity >= Severity.WARNING);
  return (
    <Stack gap="xs" component="ul" p={0} m={0} style={{ listStyle: 'none' }} aria-label={words.findings}>
      {grave.length === 0 && <Text component="li" size="sm"><IconCheck size={14} aria-hidden /> {words.nothing}</Text>}
      {grave.map(({ code, severity, message, remedy }) => (
        <li key={code}>
          <Alert p="xs" color={COLORS[severity] ?? 'gray'} variant="light" title={words.severity[severity]}>
            <Text size="sm" c="inherit">{message}</Text>
            {(cleaned || !report.cleanable) && remedy && <Text size="sm" c="inherit">{remedy}</Text>}
          </Alert>
        </li>
      ))}
    </Stack>
  );
}
