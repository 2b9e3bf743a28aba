import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import { errorCode } from '../error-code.ts';
import type { PartPorts } from './part.ts';
import { processIdentity } from './process-identity.ts';
import { StartRefused } from '../start-refused.ts';

export interface RunningPart {
  readonly name: string;
  readonly pid: number;
  readonly stopLevel: number;
  readonly ports: PartPorts;
  /** The Unix socket on which it listens instead, for programs that look after the installation. */
  readonly socket?: string;
}

interface RunFileContent {
  readonly supervisor: { readonly pid: number; readonly identity: string };
  readonly parts: readonly (RunningPart & { readonly identity: string })[];
}

const STOP_POLL_MS = 50;

/**
 * `run.json`: who runs on this data folder. It keeps a second supervisor off the folder, and after a supervisor was
 * killed it tells the next one which processes of the old run are still there.
 */
export class RunFile {
  readonly #path: string;
  readonly #own = { pid: process.pid, identity: processIdentity(process.pid) ?? '' };

  private constructor(path: string) {
    this.#path = path;
  }

  /** Takes the folder, or refuses if a living supervisor has it. Answers what a dead one left behind. */
  static claim(path: string): { readonly runFile: RunFile; readonly leftovers: readonly RunningPart[] } {
    const runFile = new RunFile(path);
    const before = runFile.#takeAway();
    runFile.#create();
    const leftovers = (before?.parts ?? []).filter((part) => processIdentity(part.pid) === part.identity);
    return { runFile, leftovers };
  }

  write(parts: readonly RunningPart[]): void {
    const identified = parts.flatMap((part) => {
      const identity = processIdentity(part.pid);
      return identity === undefined ? [] : [{ ...part, identity }];
    });
    const next = `${this.#path}.next`;
    writeFileSync(next, format({ supervisor: this.#own, parts: identified }), { mode: 0o600 });
    renameSync(next, this.#path);
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }

  /**
   * The old file is moved aside before it is judged, so that two supervisors that start at once cannot both find it
   * abandoned. One that turns out to belong to the living is put back.
   */
  #takeAway(): RunFileContent | undefined {
    const aside = `${this.#path}.${process.pid}`;
    try {
      renameSync(this.#path, aside);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const content = parse(readFileSync(aside, 'utf8'));
    const alive = content !== undefined && processIdentity(content.supervisor.pid) === content.supervisor.identity;
    if (alive) linkSync(aside, this.#path);
    rmSync(aside);
    if (alive) throw this.#inUse(content.supervisor.pid);
    return content;
  }

  #create(): void {
    try {
      writeFileSync(this.#path, format({ supervisor: this.#own, parts: [] }), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if (errorCode(error) === 'EEXIST') throw this.#inUse(undefined);
      throw error;
    }
  }

  #inUse(pid: number | undefined): StartRefused {
    const who = pid === undefined ? 'Another platform' : `A platform (process ${pid})`;
    return new StartRefused(
      'DATA_DIR_IN_USE',
      `${who} already runs on this data folder: stop it, or set another DATA_DIR`,
    );
  }
}

/** Ends what a killed supervisor left, in the order in which it would have stopped them. */
export async function endLeftovers(
  parts: readonly RunningPart[],
  options: { readonly graceMs: number; readonly onEnd: (part: RunningPart) => void },
): Promise<void> {
  const inOrder = [...parts].sort((left, right) => left.stopLevel - right.stopLevel);
  for (const part of inOrder) {
    const identity = processIdentity(part.pid);
    if (identity === undefined) continue;
    options.onEnd(part);
    await endProcess(part.pid, identity, options.graceMs);
  }
}

/** SIGTERM, and SIGKILL after the grace; never to a process that merely got the same id. */
export async function endProcess(pid: number, identity: string, graceMs: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (processIdentity(pid) !== identity) return;
    process.kill(pid, signal);
    for (let waitedMs = 0; waitedMs < graceMs && processIdentity(pid) === identity; waitedMs += STOP_POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
    }
  }
}

function format(content: RunFileContent): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** A file that was cut off by a crash names nobody. */
function parse(text: string): RunFileContent | undefined {
  try {
    return JSON.parse(text) as RunFileContent;
  } catch {
    return undefined;
  }
}
