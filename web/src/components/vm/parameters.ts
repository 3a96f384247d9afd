import { fits } from '@/components/vm/pattern';
import { type Profile, type ProfileParameter, ProfileParameter_Type as Type } from '@/gen/limiquantix/compute/v1/profile_pb';
import { wizardText as words } from '@/text/wizard';

/** What is typed for a profile's parameters, by their names; what is not in it is not given. */
export type Values = Readonly<Record<string, string>>;

const INTEGER = /^-?(0|[1-9]\d{0,17})$/;

/** What is wrong with a value, in words; the server judges it once more. An empty one is not given. */
export function valueTrouble(parameter: ProfileParameter, value: string): string | undefined {
  if (!value) return undefined;
  if (parameter.type === Type.INTEGER && !INTEGER.test(value)) return words.parameterInteger;
  const texts = parameter.type === Type.LIST ? value.split(',').map((text) => text.trim()).filter(Boolean) : [value];
  for (const text of texts) {
    if (parameter.allowed.length && !parameter.allowed.includes(text)) return words.parameterAllowed(parameter.allowed.join(', '));
    if (parameter.pattern && !fits(parameter.pattern, text)) return words.parameterPattern(parameter.pattern);
  }
  return undefined;
}

/** Whether every parameter has what it needs. */
export function areValuesWhole(profile: Profile | undefined, values: Values): boolean {
  return (profile?.parameters ?? []).every((parameter) => {
    const value = values[parameter.name] ?? '';
    const lacks = parameter.required && parameter.default === undefined && !value;
    return !lacks && !valueTrouble(parameter, value);
  });
}

/** As a request says it: secrets apart from the others. */
export function parametersOf(profile: Profile | undefined, values: Values): { parameters: Record<string, string>; secretParameters: Record<string, string> } {
  const said = { parameters: {} as Record<string, string>, secretParameters: {} as Record<string, string> };
  for (const { name, type } of profile?.parameters ?? []) {
    const value = values[name];
    if (value) (type === Type.SECRET ? said.secretParameters : said.parameters)[name] = value;
  }
  return said;
}
