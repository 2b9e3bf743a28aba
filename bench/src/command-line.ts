import { parseArgs } from 'node:util';

/** Raised for arguments that cannot be used; the program prints it and ends with exit code 1. */
export class ArgumentInvalid extends Error {
  override readonly name = 'ArgumentInvalid';
}

/** `--name value` arguments. Every name in `defaults` is known, anything else is refused. */
export function readArguments<Name extends string>(
  defaults: Readonly<Record<Name, string>>,
  argv: readonly string[],
): Readonly<Record<Name, string>> {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true });
    return { ...defaults, ...(values as Partial<Record<Name, string>>) };
  } catch (error) {
    const known = Object.entries(defaults).map(([name, value]) => `--${name} (${String(value) || 'none'})`);
    throw new ArgumentInvalid(`${error instanceof Error ? error.message : String(error)}\nKnown: ${known.join(', ')}`);
  }
}

export function positiveNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new ArgumentInvalid(`--${name} needs a number above 0, not ${text}`);
  return value;
}

export function numberFromZero(name: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new ArgumentInvalid(`--${name} needs a number, 0 or above, not ${text}`);
}

/** Runs a program's main function; a failure is one clear line and exit code 1. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
