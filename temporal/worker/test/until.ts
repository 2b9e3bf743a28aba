import { setTimeout as pause } from 'node:timers/promises';

const CONDITION_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** Waits for a condition, with a limit against hanging alone. */
export async function until(what: string, isTrue: () => Promise<boolean> | boolean): Promise<void> {
  const giveUpAtMs = performance.now() + CONDITION_TIMEOUT_MS;
  while (!(await isTrue())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited too long for ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}
