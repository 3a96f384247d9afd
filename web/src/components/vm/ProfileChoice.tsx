import { Anchor, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ErrorNote } from '@/components/Notes';
import type { StepProps } from '@/components/vm/FormSteps';
import { valueTrouble } from '@/components/vm/parameters';
import { type ProfileParameter, ProfileParameter_Type as Type, UserDataRule } from '@/gen/limiquantix/compute/v1/profile_pb';
import { useProfiles } from '@/hooks/profiles';
import { wizardText as words } from '@/text/wizard';

/** A profile, and a field for each of its parameters. */
export default function ProfileChoice({ draft, change }: StepProps): ReactNode {
  const { profiles, isLoading, error, refetch } = useProfiles();
  const chosen = draft.profile;
  const choose = (id: string): void => change({ ...draft, profile: profiles.find((one) => one.id === id), values: {}, ...(profiles.find((one) => one.id === id)?.userDataRule === UserDataRule.DENY ? { userData: '' } : {}) });
  return (
    <Stack>
      <ErrorNote error={error} retry={() => void refetch()} />
      <NativeSelect
        label={words.profile}
        description={words.profileHint}
        value={chosen?.id ?? ''}
        data={[{ value: '', label: words.profileNone }, ...profiles.map(({ id, name, description }) => ({ value: id, label: description ? `${name}: ${description}` : name }))]}
        onChange={(event) => choose(event.currentTarget.value)}
      />
      {profiles.length === 0 && !isLoading && !error && <Anchor size="sm" renderRoot={(props) => <Link to="/profiles" {...props} />}>{words.profileMake}</Anchor>}
      {chosen?.parameters.map((parameter) => (
        <ParameterField key={parameter.name} parameter={parameter} value={draft.values[parameter.name] ?? ''} set={(value) => change({ ...draft, values: { ...draft.values, [parameter.name]: value } })} />
      ))}
      {chosen && <Text size="sm" c="dimmed">{words.rule[chosen.userDataRule]}</Text>}
    </Stack>
  );
}

interface FieldProps {
  parameter: ProfileParameter;
  value: string;
  set: (value: string) => void;
}

function ParameterField({ parameter, value, set }: FieldProps): ReactNode {
  const { name, type, allowed, required } = parameter;
  const needed = required && parameter.default === undefined;
  const description = [parameter.description, hintOf(parameter)].filter(Boolean).join(' ');
  const common = { label: name, description, value, required: needed, error: valueTrouble(parameter, value) };
  const choices = type === Type.BOOLEAN ? ['true', 'false'] : type === Type.LIST ? [] : allowed;
  if (choices.length) {
    const unsaid = parameter.default === undefined ? words.parameterUnsaid : words.parameterDefault(parameter.default);
    return <NativeSelect {...common} data={[{ value: '', label: unsaid }, ...choices]} onChange={(event) => set(event.currentTarget.value)} />;
  }
  const secret = type === Type.SECRET;
  return <TextInput {...common} type={secret ? 'password' : 'text'} autoComplete={secret ? 'new-password' : 'off'} inputMode={type === Type.INTEGER ? 'numeric' : 'text'} spellCheck={false} placeholder={parameter.default ?? ''} onChange={(event) => set(event.currentTarget.value)} />;
}

/** What a value looks like. */
function hintOf({ type, allowed, pattern }: ProfileParameter): string {
  if (type === Type.LIST) return allowed.length ? words.parameterListOf(allowed.join(', ')) : words.parameterList;
  if (type === Type.INTEGER) return words.parameterInteger;
  return pattern && words.parameterPattern(pattern);
}
