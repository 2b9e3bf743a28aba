import { describe, expect, it } from '@jest/globals';

import { afterThisTest } from './after-this-test.ts';

describe('what a test has opened', () => {
  const closed: string[] = [];

  it('is open while the test runs', async () => {
    afterThisTest(() => closed.push('first'));
    afterThisTest(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      closed.push('second');
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toEqual([]);
  });

  it('is closed before the next test, the newest first, each before the next', () => {
    expect(closed).toEqual(['second', 'first']);
  });

  it('is closed once', () => {
    expect(closed).toEqual(['second', 'first']);
  });
});
