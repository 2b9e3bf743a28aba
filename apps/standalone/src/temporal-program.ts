import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { LineSplitter } from './line-splitter.ts';
import { PartLog } from './part-log.ts';

/** src/ and dist/ of this package are three folders below the root. */
const SCRIPT = fileURLToPath(new URL('../../../tools/provide-temporal.mjs', import.meta.url));
const REASON_LENGTH_MAX = 600;

export type TemporalProgramSearch =
  { readonly event: 'found'; readonly path: string } | { readonly event: 'missing'; readonly reason: string };

/**
 * Looks for Temporal's program with the same script that setup uses, and obtains it if asked to. That may build it for
 * minutes, so it runs in a process group of its own, which ends with us in any case.
 */
export class TemporalProgram {
  readonly #logFile: string;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  #stopped = false;

  constructor(logFile: string, env: NodeJS.ProcessEnv) {
    this.#logFile = logFile;
    this.#env = env;
  }

  find(): Promise<TemporalProgramSearch> {
    return this.#search(['--find']);
  }

  obtain(): Promise<TemporalProgramSearch> {
    return this.#search([]);
  }

  stop(): void {
    this.#stopped = true;
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It went between the look and the call.
    }
  }

  async #search(args: readonly string[]): Promise<TemporalProgramSearch> {
    if (this.#stopped) return { event: 'missing', reason: 'the platform stops' };
    const log = new PartLog(this.#logFile);
    const child = spawn(process.execPath, [SCRIPT, ...args], {
      detached: true,
      env: { ...this.#env, BREAKWATER_SUPERVISED: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdin.on('error', () => undefined);
    let outcome: TemporalProgramSearch | undefined;
    let lastLine = '';
    for (const stream of [child.stdout, child.stderr]) {
      const lines = new LineSplitter((line) => {
        log.write(line);
        lastLine = line;
        outcome = readOutcome(line) ?? outcome;
      });
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => lines.push(chunk));
      stream.on('end', () => lines.end());
    }
    await new Promise<void>((resolve) => {
      child.on('close', () => resolve());
      child.on('error', () => resolve());
    });
    log.close();
    this.#child = undefined;
    return outcome ?? { event: 'missing', reason: lastLine.slice(0, REASON_LENGTH_MAX) || 'the search for it ended' };
  }
}

function readOutcome(line: string): TemporalProgramSearch | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const entry = JSON.parse(line) as { event?: unknown; path?: unknown; reason?: unknown };
    if (entry.event === 'found' && typeof entry.path === 'string') return { event: 'found', path: entry.path };
    if (entry.event === 'missing') return { event: 'missing', reason: String(entry.reason) };
  } catch {
    // Some other output of what it runs.
  }
  return undefined;
}
