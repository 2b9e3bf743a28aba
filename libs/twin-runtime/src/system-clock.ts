import { randomBytes } from 'node:crypto';

import type { Clock, Random } from './ports/clock.ts';

const ID_BYTES = 16;

/** The machine's time. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, durationMs);
      signal?.addEventListener('abort', done, { once: true });
    }),
};

/** The machine's chance. */
export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => randomBytes(ID_BYTES).toString('hex'),
};
