import { StartedProgram } from '@breakwater/observability/testing';

import type { ImageTree } from './image-tree.ts';

/** Of the image and of the chart. */
const USER = 10_001;

export interface PlaceOfProgram {
  readonly tree: ImageTree;
  /** The only folder that may be written to. */
  readonly tmp: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Who the processes of the image are; null where this process may not choose. */
export const userOfImage = process.getuid?.() === 0 ? USER : null;

/** A program of the image, run as a pod runs it: as its user, with nothing but its settings in the environment. */
export function imageProgram({ tree, tmp, env }: PlaceOfProgram, command: readonly string[]): StartedProgram {
  return new StartedProgram([tree.node, ...command], {
    cwd: tree.folder,
    env: { PATH: '/usr/bin:/bin', TMPDIR: tmp, ...tree.env, ...env },
    ...(userOfImage === null ? {} : { userId: userOfImage }),
  });
}
