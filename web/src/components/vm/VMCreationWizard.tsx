import { Button, Card, Group } from '@mantine/core';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { ErrorNote, PageHead } from '@/components/Notes';
import { countOf, type Draft, EMPTY, keyTrouble, requestOf, withImage } from '@/components/vm/draft';
import { BootStep, MachineStep } from '@/components/vm/FormSteps';
import { ImageStep } from '@/components/vm/ImageStep';
import { isNetworkWhole } from '@/components/vm/network';
import { NetworkStep } from '@/components/vm/NetworkStep';
import { areValuesWhole } from '@/components/vm/parameters';
import { ReviewStep } from '@/components/vm/ReviewStep';
import { type Step, STEPS } from '@/components/vm/steps';
import { answerTroubles, toldBy } from '@/components/vm/windows';
import type { CreatedVM } from '@/gen/limiquantix/compute/v1/vm_pb';
import { useAvailableImages } from '@/hooks/useImages';
import { useCreateVm } from '@/hooks/useMachines';
import { wizardText as words } from '@/text/wizard';

// Whether a step says enough to go on.
const ENOUGH: Record<Step, (draft: Draft) => boolean> = {
  image: ({ image }) => image !== undefined,
  machine: (draft) => draft.name.trim() !== '' && countOf(draft) !== undefined,
  network: ({ network }) => isNetworkWhole(network),
  boot: ({ image, windows, keys, profile, values }) =>
    toldBy(image) === 'answers' ? Object.keys(answerTroubles(windows)).length === 0 : keyTrouble(keys) === undefined && areValuesWhole(profile, values),
  review: () => true,
};

/** From an image to a VM; its page then follows the first boot. */
export default function VMCreationWizard(): ReactNode {
  const go = useNavigate();
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [at, setAt] = useState(0);
  const [may, setMay] = useState(false);
  const [force, setForce] = useState(false);
  const create = useCreateVm();
  useGivenImage(draft, setDraft);
  const step: Step = STEPS[at] ?? 'image';
  const last = step === 'review';
  const move = (to: number): void => {
    setMay(false);
    setForce(false);
    create.reset();
    setAt(to);
  };
  const leave = (made: readonly CreatedVM[]): void => {
    const [one] = made;
    if (made.length === 1 && one?.vm) void go({ to: '/vms/$vmId', params: { vmId: one.vm.id } });
    // What was refused stands here, beside what was made.
    else if (made.every(({ vm }) => vm)) void go({ to: '/vms' });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (last) create.mutate({ vm: requestOf(draft, force), count: countOf(draft) ?? 1 }, { onSuccess: (made) => leave(made) });
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
        {step === 'network' && <NetworkStep draft={draft} change={setDraft} />}
        {step === 'boot' && <BootStep draft={draft} change={setDraft} />}
        {step === 'review' && <ReviewStep draft={draft} force={force} setForce={setForce} judged={setMay} goTo={(to) => move(STEPS.indexOf(to))} />}
        <ErrorNote error={create.error} />
        <Made made={create.data ?? []} />
        <Group justify="flex-end" mt="md">
          {at > 0 && <Button variant="default" onClick={() => move(at - 1)}>{words.back}</Button>}
          <Button type="submit" disabled={last ? (!may && !force) || Boolean(create.data) : !ENOUGH[step](draft)} loading={create.isPending}>{last ? words.create : words.next}</Button>
        </Group>
      </Card>
    </>
  );
}

/** Of several VMs, which there are now, and why others are not. */
function Made({ made }: { made: readonly CreatedVM[] }): ReactNode {
  const refused = made.filter(({ vm }) => !vm);
  if (!refused.length) return null;
  return (
    <>
      <ErrorNote title={words.someRefused(refused.length, made.length)} error={refused.map(({ name, errorMessage, errorRemedy }) => `${name}: ${errorMessage} ${errorRemedy}`).join('\n')} />
      <Link to="/vms">{words.toVms}</Link>
    </>
  );
}

/** The image that the address names is chosen already. */
function useGivenImage(draft: Draft, set: (draft: Draft) => void): void {
  const { image: given } = useSearch({ from: '/inside/vms/new' });
  const { images } = useAvailableImages();
  const found = draft.image || !given ? undefined : images.find(({ id }) => id === given);
  useEffect(() => {
    if (found) set(withImage(draft, found));
  }, [found, draft, set]);
}
