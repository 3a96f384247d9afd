import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { LineCounter, parseDocument, stringify } from 'yaml';
import type { Problem } from '@/components/vm/yaml/problems';
import { type CreateProfileRequest, CreateProfileRequestSchema, type Profile, ProfileParameter_Type as Type, UserDataRule as Rule } from '@/gen/limiquantix/compute/v1/profile_pb';
import { profilesText as words } from '@/text/profiles';

// As the file of the command line has them, by the numbers of the wire.
const RULES = ['append', 'allow', 'deny', 'append'] as const;
const TYPES = ['string', 'secret', 'integer', 'boolean', 'list'] as const;

/** What a text asks for, or what keeps it from asking. */
export interface Parsed {
  request: CreateProfileRequest | undefined;
  problems: Problem[];
}

/** A profile as YAML, in the form that docs/profiles.md has for files; JSON is YAML too. */
export function parsed(text: string, replace: boolean): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors.map(({ pos: [from, to], message }) => {
    const start = Math.min(from, text.length);
    return { from: start, to: Math.min(Math.max(to, from + 1), text.length), line: lines.linePos(from).line, message, severity: 'error' as const };
  });
  if (broken.length) return { request: undefined, problems: broken };
  try {
    return { request: requestOf(document.toJS({ maxAliasCount: 0 }) as unknown, replace), problems: [] };
  } catch (error) {
    const message = error instanceof Error ? error.message : words.noProfile;
    return { request: undefined, problems: [{ from: 0, to: text.indexOf('\n') < 0 ? text.length : text.indexOf('\n'), line: 1, message, severity: 'error' }] };
  }
}

function isObject(said: unknown): said is Record<string, unknown> {
  return typeof said === 'object' && said !== null && !Array.isArray(said);
}

function requestOf(said: unknown, replace: boolean): CreateProfileRequest {
  if (!isObject(said)) throw new Error(words.noProfile);
  const { user_data_rule: rule = 'append', parameters = [], ...rest } = said;
  if (!(RULES as readonly unknown[]).includes(rule)) throw new Error(words.ruleWrong(RULES.slice(0, 3).join(', ')));
  if (!Array.isArray(parameters)) throw new Error(words.parametersWrong);
  const json = {
    ...(rest as JsonObject),
    parameters: parameters.map(parameterOf),
    userDataRule: `USER_DATA_RULE_${String(rule).toUpperCase()}`,
    replace,
  };
  return fromJson(CreateProfileRequestSchema, json);
}

/** Values as the text that they would be given as, and the type's name as the wire has it. */
function parameterOf(said: unknown): JsonValue {
  if (!isObject(said)) throw new Error(words.parametersWrong);
  const { type = 'string', default: usual, allowed, ...rest } = said;
  if (!(TYPES as readonly unknown[]).includes(type)) throw new Error(words.typeWrong(TYPES.join(', ')));
  return {
    ...(rest as JsonObject),
    type: String(type).toUpperCase(),
    ...(usual === undefined || usual === null ? {} : { default: written(usual) }),
    ...(Array.isArray(allowed) ? { allowed: allowed.map(written) } : {}),
  };
}

function written(value: unknown): string {
  return Array.isArray(value) ? value.map(written).join(',') : String(value);
}

/** The other way: a profile as one would have typed it. */
export function typed(profile: Profile): string {
  const parameters = profile.parameters.map(({ name, type, description, required, default: usual, allowed, pattern }) => ({
    name,
    ...(type === Type.STRING ? {} : { type: TYPES[type] }),
    ...(description ? { description } : {}),
    ...(required ? { required } : {}),
    ...(usual === undefined ? {} : { default: usual }),
    ...(allowed.length ? { allowed } : {}),
    ...(pattern ? { pattern } : {}),
  }));
  return stringify({
    name: profile.name,
    ...(profile.description ? { description: profile.description } : {}),
    ...(profile.userDataRule === Rule.ALLOW || profile.userDataRule === Rule.DENY ? { user_data_rule: RULES[profile.userDataRule] } : {}),
    ...(parameters.length ? { parameters } : {}),
    provisioning: profile.provisioning ?? {},
  });
}

/** The names of types, for people. */
export function typeWord(type: Type): string {
  return TYPES[type] ?? String(type);
}
