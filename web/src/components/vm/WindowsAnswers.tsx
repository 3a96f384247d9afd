import { Stack, Text, Textarea, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import type { StepProps } from '@/components/vm/FormSteps';
import { answerTroubles, type WindowsDraft } from '@/components/vm/windows';
import { wizardText } from '@/text/wizard';

const words = wizardText.windows;
const SECRETS: ReadonlySet<keyof WindowsDraft> = new Set(['administratorPassword', 'domainPassword']);

/** What Windows Setup is told by the answer file on the VM's disc. */
export default function WindowsAnswers({ draft, change }: StepProps): ReactNode {
  const { windows } = draft;
  const troubles = answerTroubles(windows);
  const set = (part: Partial<WindowsDraft>): void => change({ ...draft, windows: { ...windows, ...part } });
  const field = (name: Exclude<keyof typeof words.fields, 'firstLogonCommands'>): ReactNode => {
    const [label, description] = words.fields[name];
    const secret = SECRETS.has(name);
    return <TextInput type={secret ? 'password' : 'text'} autoComplete={secret ? 'new-password' : 'off'} spellCheck={false} label={label} description={description} error={troubles[name]} value={windows[name]} onChange={(event) => set({ [name]: event.currentTarget.value })} />;
  };
  const [label, description] = words.fields.firstLogonCommands;
  return (
    <Stack>
      <Text size="sm" c="dimmed">{words.intro}</Text>
      <TextInput label={wizardText.hostname} description={words.hostnameHint} value={draft.hostname ?? ''} onChange={(event) => change({ ...draft, hostname: event.currentTarget.value })} />
      {field('administratorPassword')}
      {field('productKey')}
      <div className="pair">
        {field('locale')}
        {field('timezone')}
      </div>
      {field('domain')}
      {windows.domain.trim() && (
        <>
          <div className="pair">
            {field('domainUser')}
            {field('domainPassword')}
          </div>
          {field('organizationalUnit')}
        </>
      )}
      <Textarea label={label} description={description} rows={3} spellCheck={false} value={windows.firstLogonCommands} onChange={(event) => set({ firstLogonCommands: event.currentTarget.value })} />
    </Stack>
  );
}
