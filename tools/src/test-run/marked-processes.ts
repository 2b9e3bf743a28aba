import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const MARK_VARIABLE = 'BREAKWATER_TEST_RUN';
const TERM_GRACE_MS = 5_000;
const POLL_MS = 50;

/** Put into the environment of a test run; every process that comes from it inherits it, whatever group it moved to. */
export interface RunMark {
  readonly name: string;
  readonly value: string;
}

export function newRunMark(): RunMark {
  return { name: MARK_VARIABLE, value: randomUUID() };
}

/**
 * Ends what the tests of this run left behind, and names it. A test that leaves a server running would make the next
 * one slow or wrong. Only Linux shows the environment of a process; elsewhere nothing is found.
 */
export async function endMarkedProcesses(mark: RunMark): Promise<string[]> {
  const found = markedProcesses(mark);
  for (const { pid } of found) signal(pid, 'SIGTERM');
  for (let waitedMs = 0; waitedMs < TERM_GRACE_MS && markedProcesses(mark).length > 0; waitedMs += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  for (const { pid } of markedProcesses(mark)) signal(pid, 'SIGKILL');
  return found.map(({ command }) => command);
}

function markedProcesses(mark: RunMark): { pid: number; command: string }[] {
  if (process.platform !== 'linux') return [];
  const entry = `${mark.name}=${mark.value}\0`;
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const environment = readProcess(`${name}/environ`);
    if (!environment.includes(entry)) return [];
    return [{ pid, command: readProcess(`${name}/cmdline`).replaceAll('\0', ' ').trim().slice(0, 200) }];
  });
}

function readProcess(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, 'utf8');
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return '';
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}
