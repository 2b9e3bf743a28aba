import { describe, expect, it } from '@jest/globals';

import { highestHeld } from './rate-search.ts';

const SEARCH = { first: 30_000, step: 5_000, probeSeconds: 20, seconds: 60 };

async function searched(isHeld: (rate: number, seconds: number) => boolean) {
  const windows: string[] = [];
  const found = await highestHeld(SEARCH, (rate, seconds) => {
    windows.push(`${rate / 1_000}k ${seconds} s`);
    return Promise.resolve({ isHeld: isHeld(rate, seconds) });
  });
  return { rate: found?.rate ?? null, windows };
}

describe('highestHeld', () => {
  it('goes up until a probe fails, then holds the best for the whole time', async () => {
    const { rate, windows } = await searched((offered) => offered <= 40_000);
    expect(rate).toBe(40_000);
    expect(windows).toEqual(['30k 20 s', '35k 20 s', '40k 20 s', '45k 20 s', '40k 60 s']);
  });

  it('goes down where the first rate is too high', async () => {
    const { rate, windows } = await searched((offered) => offered <= 20_000);
    expect(rate).toBe(20_000);
    expect(windows).toEqual(['30k 20 s', '25k 20 s', '20k 20 s', '20k 60 s']);
  });

  it('believes the long window and not the probe', async () => {
    expect((await searched((offered, seconds) => offered <= (seconds === 60 ? 25_000 : 30_000))).rate).toBe(25_000);
  });

  it('says so when nothing is held', async () => {
    expect((await searched(() => false)).rate).toBeNull();
  });
});
