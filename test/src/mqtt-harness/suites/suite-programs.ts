import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const KILL_SIGNAL = 'SIGKILL';

/** What one suite came to. */
export interface SuiteOutcome {
  readonly passed: number;
  readonly failed: readonly string[];
  /** Figures for people; no verdict hangs on them. */
  readonly notes?: readonly string[];
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** Where suites are kept between runs; it is no part of the repository. */
export function suiteFolder(name: string): string {
  const folder = fileURLToPath(new URL(`../../../../node_modules/.cache/mqtt-suites/${name}/`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A file of `test/mqtt`, which is not compiled. */
export function suiteFile(path: string): string {
  return fileURLToPath(new URL(`../../../mqtt/${path}`, import.meta.url));
}

/** Runs a program to its end, with all that it started: the group is ended when it is over or late. */
export function runToEnd(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const endGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, KILL_SIGNAL);
      } catch {
        // The whole group has ended by itself.
      }
    };
    const timer = setTimeout(endGroup, options.timeoutMs);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.on('error', reject);
    // `exit`, not `close`: a server that was left behind holds the pipe open.
    child.on('exit', (code) => {
      clearTimeout(timer);
      endGroup();
      resolve({ code, output });
    });
  });
}

/** As `runToEnd`, for programs that must succeed. */
export async function runOrThrow(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { code, output } = await runToEnd(command, args, options);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}\n${output}`);
  return output;
}
