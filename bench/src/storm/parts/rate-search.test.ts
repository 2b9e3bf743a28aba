import { describe, expect, it } from '@jest/globals';

import { highestHeld } from './rate-search.ts';

const SEARCH = { first: 30_000, step: 5_000, probeSeconds: 20, seconds: 60 };

type Asked = (rate: number, seconds: number) => boolean;

async function searched(isHeld: Asked, isOverrun: Asked = (...asked) => !isHeld(...asked)) {
  const windows: string[] = [];
  const found = await highestHeld(SEARCH, (rate, seconds) => {
    windows.push(`${rate / 1_000}k ${seconds} s`);
    return Promise.resolve({ isHeld: isHeld(rate, seconds), isOverrun: isOverrun(rate, seconds) });
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

  it('gives a rate that a probe missed by a little the whole time', async () => {
    const isMissedByProbe = (offered: number, seconds: number): boolean => offered === 35_000 && seconds === 20;
    const { rate, windows } = await searched(
      (offered, seconds) => offered <= 35_000 && !isMissedByProbe(offered, seconds),
      (offered) => offered > 35_000,
    );
    expect(rate).toBe(35_000);
    expect(windows).toEqual(['30k 20 s', '35k 20 s', '35k 60 s', '40k 20 s']);
  });

  it('does not hold a rate again that the whole time has missed', async () => {
    const { rate, windows } = await searched(
      (offered, seconds) => offered <= (seconds === 60 ? 25_000 : 30_000),
      () => false,
    );
    expect(rate).toBe(25_000);
    expect(windows).toEqual(['30k 20 s', '35k 20 s', '35k 60 s', '30k 60 s', '25k 60 s']);
  });

  it('says so when nothing is held', async () => {
    expect((await searched(() => false)).rate).toBeNull();
  });
});
