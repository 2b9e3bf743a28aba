import { spawnSync } from 'node:child_process';

/** A step that cannot be done here. The message says what the user can do about it; there is no stack trace. */
export class SetupRefused extends Error {
  name = 'SetupRefused';
}

const NAME_WIDTH = 14;
const DETAIL_WIDTH = 46;

/** Runs one step and prints its line: name, outcome, seconds. */
export function runStep(name, step) {
  const startedAt = process.hrtime.bigint();
  process.stdout.write(`setup  ${name.padEnd(NAME_WIDTH)} `);
  try {
    const outcome = step();
    const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
    process.stdout.write(`${outcome.detail.padEnd(DETAIL_WIDTH)} ${seconds.toFixed(2).padStart(7)} s\n`);
    return outcome;
  } catch (error) {
    process.stdout.write('failed\n');
    throw error;
  }
}

/** Runs a program to its end. Its output is shown only when it fails. */
export function runProgram(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (result.error) throw new SetupRefused(`${command} could not be run: ${result.error.message}`);
  if (result.status !== 0) {
    const output = `${result.stdout}${result.stderr}`.trimEnd();
    throw new SetupRefused(`\`${[command, ...args].join(' ')}\` failed\n\n${output}`);
  }
  return result.stdout;
}
