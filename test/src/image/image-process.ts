import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import type { ImageTree } from './image-tree.ts';

/** Of the image and of the chart. */
const USER = 10_001;
const OUTPUT_CHARACTERS_KEPT = 4_000;
const STOP_MS_MAX = 40_000;

export interface ProcessOfImage {
  readonly tree: ImageTree;
  /** The only folder that may be written to. */
  readonly tmp: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Who the processes of the image are; null where this process may not choose. */
export const userOfImage = process.getuid?.() === 0 ? USER : null;

/** A program of the image, run as a pod runs it: as its user, with nothing but its settings in the environment. */
export class ImageProcess {
  readonly #child: ChildProcess;
  #output = '';

  constructor({ tree, tmp, env }: ProcessOfImage, command: readonly string[]) {
    this.#child = spawn(tree.node, command, {
      cwd: tree.folder,
      env: { PATH: '/usr/bin:/bin', TMPDIR: tmp, ...tree.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(userOfImage === null ? {} : { uid: userOfImage, gid: userOfImage }),
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = `${this.#output}${chunk.toString()}`.slice(-OUTPUT_CHARACTERS_KEPT);
      });
    }
  }

  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async ended(): Promise<number | null> {
    if (!this.hasEnded) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** As Kubernetes stops it, and answers the exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    const forced = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    const code = await this.ended();
    clearTimeout(forced);
    return code;
  }
}
