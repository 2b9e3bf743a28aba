import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * A process id alone does not name a process: ids are used again. Together with the moment at which the process began
 * it does. Undefined when there is no such process.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    return process.platform === 'linux' ? linuxIdentity(pid) : psIdentity(pid);
  } catch {
    // No such process, in both ways of asking.
    return undefined;
  }
}

/**
 * Field 22 of /proc/<pid>/stat: clock ticks from boot to the start. The name in field 2 may hold spaces and brackets.
 * A zombie is gone only when it is the last of its threads (field 20): while others of a killed process still end, its
 * files are open and locked, and the embedded ClickHouse could not start on them.
 */
function linuxIdentity(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' && Number(fields[17]) <= 1) return undefined;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot}/${fields[19]}`;
}

function psIdentity(pid: number): string | undefined {
  const startedAt = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  return startedAt === '' ? undefined : startedAt;
}
