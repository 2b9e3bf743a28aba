import { afterEach } from '@jest/globals';

import { TEST_TIMEOUT_MS } from './platform-steps.ts';

/**
 * What a test opens goes on until somebody closes it: a device connects again for ever, and a part that was stopped
 * stays stopped. A test that fails half way, or runs out of time, closes nothing by itself; as all suites share one
 * process, it would fail those behind it, too.
 */
let opened = new AsyncDisposableStack();

afterEach(async () => {
  const ended = opened;
  opened = new AsyncDisposableStack();
  await ended.disposeAsync();
}, TEST_TIMEOUT_MS);

/** Is called when the running test is over, however it ends; what was opened last is closed first. */
export function afterThisTest(close: () => unknown): void {
  opened.defer(async () => {
    await close();
  });
}
