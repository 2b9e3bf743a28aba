import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BREAKWATER = fileURLToPath(new URL('../../apps/cli/bin/breakwater.mjs', import.meta.url));

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface WhereToRun {
  readonly dataDir: string;
  readonly key: string;
  /** More settings, such as those of stores that the data folder knows nothing of. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `breakwater` as a person does, beside the platform. */
export function breakwater({ dataDir, key, env: more }: WhereToRun, ...args: readonly string[]): Promise<Ended> {
  const env = { PATH: process.env['PATH'], DATA_DIR: dataDir, ADMIN_API_KEY: key, NO_COLOR: '1', ...more };
  return new Promise((resolve) => {
    execFile(process.execPath, [BREAKWATER, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}
