import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Longer than an orderly stop of ours may take. */
const END_MS_MAX = 40_000;

/**
 * Sends the signal and settles with the exit code when the process is gone, which is null where a signal ended it. What
 * does not end in time is killed, so that no test waits for ever; what has ended already is left alone.
 */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
  // What could not be started has the number of an error where the exit code would be.
  if (child.pid === undefined) return null;
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill(signal);
  const forced = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  await ended;
  clearTimeout(forced);
  return child.exitCode;
}
