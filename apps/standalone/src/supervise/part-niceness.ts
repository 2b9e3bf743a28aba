/**
 * Parts that stand back behind the event path. A part is a session of its own, and a Linux with `sched_autogroup`
 * shares the processor between sessions before it looks at any nice value: there the nice value of the session's group
 * is what counts, and elsewhere that of the process. Both are set.
 */
import { writeFile } from 'node:fs/promises';

/** The kernel takes one such write in a tenth of a second, of all who are not root. */
const GROUP_PAUSE_MS = 150;
const GROUP_TRIES_MAX = 20;

/** The command that starts a program with a nice value; it becomes the program, under the same pid. */
export function niceCommand(command: string, args: readonly string[], niceness: number): [string, readonly string[]] {
  return niceness === 0 ? [command, args] : ['nice', ['-n', String(niceness), command, ...args]];
}

/** Answers whether the group of the session has the nice value now; there is none on many systems. */
export async function niceSession(pid: number, niceness: number): Promise<boolean> {
  for (let tries = 0; tries < GROUP_TRIES_MAX; tries += 1) {
    try {
      await writeFile(`/proc/${pid}/autogroup`, String(niceness), { flag: 'r+' });
      return true;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return false;
      await new Promise((resolve) => setTimeout(resolve, GROUP_PAUSE_MS));
    }
  }
  return false;
}
