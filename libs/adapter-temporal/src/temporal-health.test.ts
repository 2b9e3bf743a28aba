import { describe, expect, it } from '@jest/globals';

import { PromptHealth, temporalHealth, type TemporalHealth } from './temporal-health.ts';

/** A Temporal that answers when the test says so. */
class SlowHealth implements TemporalHealth {
  readonly answers: ((trouble: string | null) => void)[] = [];

  trouble(): Promise<string | null> {
    return new Promise((resolve) => this.answers.push(resolve));
  }
}

describe('the health of Temporal', () => {
  it('is good where there is to be none', async () => {
    const place = { temporalAddress: '', temporalNamespace: 'fleet', temporalTls: 'false' } as const;
    expect(await temporalHealth(place).trouble()).toBeNull();
  });

  it('is told at once while Temporal is silent, and asked for once however many want it', async () => {
    const slow = new SlowHealth();
    const health = new PromptHealth(slow, 1);
    expect(await Promise.all([health.trouble(), health.trouble()])).toEqual(Array(2).fill('it has not answered yet'));
    expect(slow.answers).toHaveLength(1);
    slow.answers[0]?.(null);
    await settled();
    expect(await health.trouble()).toBeNull();
    slow.answers[1]?.('gone');
    await settled();
    expect(await health.trouble()).toBe('gone');
    expect(slow.answers).toHaveLength(3);
  });

  it('is waited for a moment, so that a quick answer is a fresh one', async () => {
    let trouble: string | null = null;
    const health = new PromptHealth({ trouble: () => Promise.resolve(trouble) }, 60_000);
    expect(await health.trouble()).toBeNull();
    trouble = 'gone';
    expect(await health.trouble()).toBe('gone');
  });
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
