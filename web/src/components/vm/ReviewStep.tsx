import { Alert, Button, Checkbox, Code, Loader, Stack, Text, Title } from '@mantine/core';
import { useMutation } from '@connectrpc/connect-query';
import { IconCheck } from '@tabler/icons-react';
import { type ReactNode, Suspense, useCallback, useEffect } from 'react';
import { later } from '@/components/later';
import { ErrorNote } from '@/components/Notes';
import { countOf, requestOf } from '@/components/vm/draft';
import { type Step, stepOf } from '@/components/vm/steps';
import type { StepProps } from '@/components/vm/FormSteps';
import { Datasource, Finding_Severity as Severity, VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { wizardText as words } from '@/text/wizard';

const Highlighted = later(() => import('@/components/vm/yaml/Highlighted'));

const COLORS = ['gray', 'teal', 'orange', 'red'];
const DOCUMENTS = ['userData', 'metaData', 'networkConfig', 'vendorData'] as const;

interface Props extends Pick<StepProps, 'draft'> {
  force: boolean;
  setForce: (force: boolean) => void;
  judged: (may: boolean) => void;
  goTo: (step: Step) => void;
}

/** The server's own rendering and judgement. Asked as mutations: a password in the request stays out of the query cache. */
export function ReviewStep({ draft, force, setForce, judged, goTo }: Props): ReactNode {
  const preview = useMutation(VMService.method.previewProvisioning);
  const preflight = useMutation(VMService.method.preflightVM, {
    onSuccess: ({ findings }) => judged(findings.every(({ severity }) => severity !== Severity.BLOCKER)),
  });
  const { mutate: show } = preview;
  const { mutate: judge } = preflight;
  const ask = useCallback((): void => {
    show(requestOf(draft));
    judge(requestOf(draft));
  }, [draft, show, judge]);
  useEffect(ask, [ask]);
  const findings = preflight.data?.findings ?? [];
  const blocked = findings.some(({ severity }) => severity === Severity.BLOCKER);
  return (
    <Stack aria-busy={preview.isPending || preflight.isPending}>
      <Title order={2} size="h4">{words.findings}</Title>
      {preflight.isPending && <Loader size="sm" aria-label={words.looking} />}
      <ErrorNote error={preflight.error} retry={ask} />
      {preflight.data && findings.length === 0 && <Text>{words.noFindings}</Text>}
      {findings.filter(({ severity }) => severity >= Severity.WARNING).map((finding) => (
        <Alert key={`${finding.code} ${finding.field} ${finding.message}`} color={COLORS[finding.severity] ?? 'gray'} variant="light" title={words.severity[finding.severity]}>
          <Text size="sm" c="inherit">{finding.message}</Text>
          {finding.remedy && <Text size="sm" c="inherit">{finding.remedy}</Text>}
          <GoTo field={finding.field} goTo={goTo} />
        </Alert>
      ))}
      <Text component="div" size="sm">
        {findings.filter(({ severity }) => severity < Severity.WARNING).map(({ code, field, message }) => (
          <div key={`${code} ${field} ${message}`}><IconCheck size={14} aria-hidden /> {message}</div>
        ))}
      </Text>
      {blocked && <Checkbox label={words.force} checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />}
      <Title order={2} size="h4">{words.preview}</Title>
      <ErrorNote error={preview.error} retry={ask} />
      <Summary draft={draft} />
      {preview.data?.user && <Text>{words.logsIn(preview.data.user)}</Text>}
      {DOCUMENTS.filter((name) => preview.data?.[name]).map((name) => {
        // An answer file is no YAML, and goes by its own name.
        const answers = preview.data?.datasource === Datasource.ANSWER_FILE;
        const title = answers ? preview.data?.paths['user_data'] ?? words.documents[name] : words.documents[name];
        const said = preview.data?.[name] ?? '';
        return (
          <details key={name} open={name === 'userData'}>
            <summary>{title}</summary>
            <Code block tabIndex={0} role="region" aria-label={title}>
              <Suspense fallback={said}>{answers ? said : <Highlighted text={said} />}</Suspense>
            </Code>
          </details>
        );
      })}
    </Stack>
  );
}

/** What is no document: how many, of which profile, and what machine. */
function Summary({ draft }: Pick<StepProps, 'draft'>): ReactNode {
  const count = countOf(draft) ?? 1;
  return (
    <dl className="facts">
      <dt>{words.count}</dt>
      <dd>{count > 1 ? words.countOf(count, draft.name.trim()) : draft.name.trim()}</dd>
      <dt>{words.firmware}</dt>
      <dd>{[words.firmwares[draft.firmware], draft.tpm && words.tpm].filter(Boolean).join(', ')}</dd>
      {draft.profile && (
        <>
          <dt>{words.profile}</dt>
          <dd>{`${draft.profile.name}@${String(draft.profile.revision)}`}</dd>
        </>
      )}
    </dl>
  );
}

/** The way to what a finding is about. */
function GoTo({ field, goTo }: { field: string; goTo: (step: Step) => void }): ReactNode {
  const step = stepOf(field);
  return step && <Button size="compact-xs" mt={6} variant="default" onClick={() => goTo(step)}>{words.goTo(words.steps[step])}</Button>;
}
