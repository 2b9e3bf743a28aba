import { writeSync } from 'node:fs';

const STDOUT = 1;
const FULL_WAIT_MS = 10;
const FULL_WAITS_MAX = 100;

/**
 * Log lines on stdout, each written before the call returns. A reader that is gone loses the line and nothing else, and
 * a slow one is waited for, but not for ever. (The destination of pino, 10.x, repeats a write to a closed pipe without
 * end when the process exits: a part whose supervisor was killed would never go.)
 */
export const standardOutput = {
  write(line: string): void {
    let rest: Uint8Array = Buffer.from(line);
    for (let waits = 0; rest.length > 0 && waits < FULL_WAITS_MAX;) {
      try {
        rest = rest.subarray(writeSync(STDOUT, rest));
      } catch (error) {
        if (!isFull(error)) return;
        waits += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_WAIT_MS);
      }
    }
  },
};

function isFull(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EAGAIN';
}
