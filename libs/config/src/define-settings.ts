import { z } from 'zod';

/** One environment variable: what it is called, what it may be, and why it is as it is. */
export interface Setting<Value> {
  readonly name: string;
  readonly schema: z.ZodType<Value, string | undefined>;
  /** As a text, the way one would write it in the environment; '' when there is none. */
  readonly default: string;
  readonly unit: string;
  /** One or two sentences for docs/configuration.md: what it does and why the default is what it is. */
  readonly reason: string;
  /** Never printed. */
  readonly secret?: boolean;
}

export type SettingGroup = Readonly<Record<string, Setting<unknown>>>;
export type SettingsOf<Group extends SettingGroup> = {
  readonly [Name in keyof Group]: Group[Name] extends Setting<infer Value> ? Value : never;
};

/** Raised with every bad setting in one message, so that one start shows them all. */
export class SettingsInvalid extends Error {
  override readonly name = 'SettingsInvalid';
  readonly code = 'SETTING_INVALID';
}

/** Reads a group of settings from the environment. An empty variable counts as not set. */
export function readSettings<Group extends SettingGroup>(
  group: Group,
  env: Readonly<Record<string, string | undefined>>,
): SettingsOf<Group> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [field, setting] of Object.entries(group)) {
    const text = env[setting.name];
    const result = setting.schema.safeParse(text === undefined || text === '' ? setting.default : text);
    if (result.success) values[field] = result.data;
    else problems.push(`${setting.name}: ${result.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  if (problems.length > 0) throw new SettingsInvalid(`these settings cannot be used:\n  ${problems.join('\n  ')}`);
  return values as SettingsOf<Group>;
}

export function integer(
  name: string,
  options: { default: number; min: number; max: number; unit: string; reason: string },
): Setting<number> {
  const { min, max } = options;
  return {
    name,
    schema: z
      .string()
      .regex(/^-?\d+$/, 'a whole number is needed')
      .transform(Number)
      .pipe(z.number().int().min(min, `at least ${min} is needed`).max(max, `at most ${max} is possible`)),
    default: String(options.default),
    unit: options.unit,
    reason: `${options.reason} From ${min} to ${max}.`,
  };
}

export function text(
  name: string,
  options: { default?: string; lengthMin?: number; reason: string; secret?: boolean },
): Setting<string> {
  const lengthMin = options.lengthMin ?? 0;
  return {
    name,
    schema: z
      .string()
      .refine((value) => value === '' || value.length >= lengthMin, `at least ${lengthMin} characters are needed`),
    default: options.default ?? '',
    unit: '',
    reason: options.reason,
    ...(options.secret === true ? { secret: true } : {}),
  };
}

export function choice<const Name extends string>(
  name: string,
  options: { values: readonly [Name, ...Name[]]; default: Name; reason: string },
): Setting<Name> {
  return {
    name,
    schema: z.enum(options.values, { error: `one of ${options.values.join(', ')} is needed` }) as unknown as z.ZodType<
      Name,
      string | undefined
    >,
    default: options.default,
    unit: options.values.join(' | '),
    reason: options.reason,
  };
}

/** Some of a closed list of names, separated by commas; empty for none. */
export function names<const Name extends string>(
  name: string,
  options: { values: readonly [Name, ...Name[]]; reason: string },
): Setting<ReadonlySet<Name>> {
  return {
    name,
    schema: z
      .string()
      .transform((list) => list.split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()])))
      .pipe(z.array(z.enum(options.values, { error: `some of ${options.values.join(', ')} are needed` })))
      .transform((list) => new Set(list)) as unknown as z.ZodType<ReadonlySet<Name>, string | undefined>,
    default: '',
    unit: `list of ${options.values.join(', ')}`,
    reason: options.reason,
  };
}
