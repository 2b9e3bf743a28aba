import type { Clock } from '@breakwater/twin-runtime';

/** What the work comes to, or null when it has not come to anything by then; it goes on all the same. */
export async function inTime<Result>(clock: Clock, work: Promise<Result>, timeoutMs: number): Promise<Result | null> {
  const done = new AbortController();
  const late = clock.sleep(Math.max(0, timeoutMs), done.signal).then(
    () => null,
    () => null,
  );
  return Promise.race([work, late]).finally(() => done.abort());
}
