import { useMutation } from '@connectrpc/connect-query';
import { Input, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { type ReactNode, useEffect, useId, useMemo } from 'react';
import { requestOf } from '@/components/vm/draft';
import type { StepProps } from '@/components/vm/FormSteps';
import { parseProblems, serverProblems } from '@/components/vm/yaml/problems';
import UserDataEditor from '@/components/vm/yaml/UserDataEditor';
import { VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { wizardText as words } from '@/text/wizard';

// So long nobody has typed when the server is asked.
const PAUSE = 600;

/** User data in an editor, judged while one types: its form here, its meaning by the server. */
export default function UserData({ draft, change }: StepProps): ReactNode {
  const hint = useId();
  const text = draft.userData;
  const broken = useMemo(() => parseProblems(text), [text]);
  const { mutate: judge, data, variables } = useMutation(VMService.method.preflightVM);
  const [calm] = useDebouncedValue(draft, PAUSE);
  const whole = calm.userData.trim() !== '' && parseProblems(calm.userData).length === 0;
  useEffect(() => {
    if (whole) judge(requestOf(calm));
  }, [whole, calm, judge]);
  const problems = useMemo(() => {
    const provisioning = variables?.spec?.provisioning?.method;
    // An answer is of the text that it was asked about, and of no other.
    const judged = provisioning?.case === 'cloudInit' && provisioning.value.userData === text;
    return broken.length || !judged ? broken : serverProblems(text, data?.findings ?? []);
  }, [broken, data, variables, text]);
  return (
    <div>
      <Input.Label component="div">{words.userData}</Input.Label>
      <Input.Description id={hint} mb={4}>{words.userDataHint}</Input.Description>
      <UserDataEditor label={words.userData} describedBy={hint} value={text} problems={problems} change={(userData) => change({ ...draft, userData })} />
      <div role="status" aria-live="polite">
        {problems.map((problem) => (
          <Text key={`${problem.from} ${problem.message}`} size="sm" c={problem.severity === 'error' ? 'var(--mantine-color-error)' : 'var(--mantine-color-orange-light-color)'}>
            {words.problemAt(problem.line, problem.message)}
          </Text>
        ))}
      </div>
    </div>
  );
}
