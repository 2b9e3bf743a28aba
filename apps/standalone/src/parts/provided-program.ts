import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { LineSplitter } from '../supervise/line-splitter.ts';
import { PartLog } from '../supervise/part-log.ts';

/** src/ and dist/ of this package are three folders below the root. */
const SCRIPTS = fileURLToPath(new URL('../../../../tools/', import.meta.url));
const REASON_LENGTH_MAX = 600;

/** What the scripts print when they have found it, as strings by name, or the reason why there is none. */
export type ProgramSearch<Field extends string> =
  | ({ readonly event: 'found' } & { readonly [Name in Field]: string })
  | { readonly event: 'missing'; readonly reason: string };

export interface ProvidedProgramOptions<Field extends string> {
  /** `provide-temporal.mjs` and its like in `tools`. */
  readonly script: string;
  readonly fields: readonly Field[];
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Looks for a program that is not ours with the same script that setup uses, and obtains it if asked to. That may take
 * minutes, so it runs in a process group of its own, which ends with us in any case.
 */
export class ProvidedProgram<Field extends string> {
  readonly #options: ProvidedProgramOptions<Field>;
  #child: ChildProcess | undefined;
  #stopped = false;

  constructor(options: ProvidedProgramOptions<Field>) {
    this.#options = options;
  }

  find(): Promise<ProgramSearch<Field>> {
    return this.#search(['--find']);
  }

  obtain(): Promise<ProgramSearch<Field>> {
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

  async #search(args: readonly string[]): Promise<ProgramSearch<Field>> {
    if (this.#stopped) return { event: 'missing', reason: 'the platform stops' };
    const { script, fields, logFile, env } = this.#options;
    const log = new PartLog(logFile);
    const child = spawn(process.execPath, [SCRIPTS + script, ...args], {
      detached: true,
      env: { ...env, BREAKWATER_SUPERVISED: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdin.on('error', () => undefined);
    let outcome: ProgramSearch<Field> | undefined;
    let lastLine = '';
    for (const stream of [child.stdout, child.stderr]) {
      const lines = new LineSplitter((line) => {
        log.write(line);
        lastLine = line;
        outcome = readOutcome(line, fields) ?? outcome;
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

function readOutcome<Field extends string>(line: string, fields: readonly Field[]): ProgramSearch<Field> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const entry = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (entry['event'] === 'found' && fields.every((field) => typeof entry[field] === 'string')) {
      const found = Object.fromEntries(fields.map((field) => [field, entry[field]]));
      return { event: 'found', ...found } as ProgramSearch<Field>;
    }
    if (entry['event'] === 'missing') return { event: 'missing', reason: String(entry['reason']) };
  } catch {
    // Some other output of what it runs.
  }
  return undefined;
}
