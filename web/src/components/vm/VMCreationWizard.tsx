import { useMutation } from '@connectrpc/connect-query';
import { Button, Card, Group } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { ErrorNote, PageHead } from '@/components/Notes';
import { type Draft, EMPTY, keyTrouble, requestOf } from '@/components/vm/draft';
import { BootStep, MachineStep } from '@/components/vm/FormSteps';
import { ImageStep } from '@/components/vm/ImageStep';
import { ReviewStep } from '@/components/vm/ReviewStep';
import { VMService } from '@/gen/limiquantix/compute/v1/vm_pb';
import { wizardText as words } from '@/text/wizard';

const STEPS = ['image', 'machine', 'boot', 'review'] as const;

type Step = (typeof STEPS)[number];

// Whether a step says enough to go on.
const ENOUGH: Record<Step, (draft: Draft) => boolean> = {
  image: ({ image }) => image !== undefined,
  machine: ({ name }) => name.trim() !== '',
  boot: ({ keys }) => keyTrouble(keys) === undefined,
  review: () => true,
};

/** From an image to a VM; its page then follows the first boot. */
export default function VMCreationWizard(): ReactNode {
  const go = useNavigate();
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [at, setAt] = useState(0);
  const [may, setMay] = useState(false);
  const [force, setForce] = useState(false);
  const create = useMutation(VMService.method.createVM, { onSuccess: ({ id }) => void go({ to: '/vms/$vmId', params: { vmId: id } }) });
  const step: Step = STEPS[at] ?? 'image';
  const last = step === 'review';
  const move = (to: number): void => {
    setMay(false);
    setForce(false);
    create.reset();
    setAt(to);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (last) create.mutate(requestOf(draft, force));
    else move(at + 1);
  };
  return (
    <>
      <PageHead title={words.title} intro={words.intro} />
      <Group component="ol" aria-label={words.stepsLabel} gap="xs" p={0} mb="md" style={{ listStyle: 'none' }}>
        {STEPS.map((one, index) => (
          <li key={one}>
            <Button size="xs" variant={index === at ? 'filled' : 'default'} disabled={index > at} aria-current={index === at ? 'step' : undefined} onClick={() => move(index)}>
              {`${index + 1}. ${words.steps[one]}`}
            </Button>
          </li>
        ))}
      </Group>
      <Card withBorder component="form" onSubmit={submit} maw={860}>
        {step === 'image' && <ImageStep draft={draft} change={setDraft} />}
        {step === 'machine' && <MachineStep draft={draft} change={setDraft} />}
        {step === 'boot' && <BootStep draft={draft} change={setDraft} />}
        {step === 'review' && <ReviewStep draft={draft} force={force} setForce={setForce} judged={setMay} />}
        <ErrorNote error={create.error} />
        <Group justify="flex-end" mt="md">
          {at > 0 && <Button variant="default" onClick={() => move(at - 1)}>{words.back}</Button>}
          <Button type="submit" disabled={last ? !may && !force : !ENOUGH[step](draft)} loading={create.isPending}>{last ? words.create : words.next}</Button>
        </Group>
      </Card>
    </>
  );
}
