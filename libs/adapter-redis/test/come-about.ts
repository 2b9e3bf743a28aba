import { setTimeout as delay } from 'node:timers/promises';

import { assert } from '@breakwater/twin';

const FOUND_WITHIN_MS = 30_000;
const POLL_MS = 25;

/** Until the condition holds. */
export async function found(condition: () => Promise<boolean>): Promise<void> {
  await reconnected(async () => assert(await condition(), 'it comes about in time'));
}

/** Until nothing is thrown any more. */
export async function reconnected<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const endsAtMs = performance.now() + FOUND_WITHIN_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > endsAtMs) throw error;
      await delay(POLL_MS);
    }
  }
}
