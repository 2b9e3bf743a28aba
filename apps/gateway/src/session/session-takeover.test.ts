import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import { type Clock, type LeavingSession, systemClock } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import { SessionTakeover, type TakeoverEnd } from './session-takeover.ts';

const KEY = 'default/d1' as DeviceKey;
const PARTITION = 0 as Partition;

/** Older connections of one device, and when they leave by themselves. */
class Older {
  readonly ends: TakeoverEnd[] = [];
  readonly left = new Map<number, LeavingSession & { readonly leavesAtMs: number }>();
  readonly #living: ReadonlySet<string>;
  #nowMs = 0;

  constructor(living: readonly string[]) {
    this.#living = new Set(living);
  }

  add(epoch: number, gatewayId: string, { leavesAtMs = Infinity, isHeard = false } = {}): this {
    this.left.set(epoch, { sessionEpoch: epoch as SessionEpoch, gatewayId, isHeard, leavesAtMs });
    return this;
  }

  async takeOver(): Promise<void> {
    const clock: Clock = {
      ...systemClock,
      nowMs: () => this.#nowMs,
      sleep: async (ms) => {
        this.#nowMs += ms;
        for (const { sessionEpoch, leavesAtMs } of this.left.values()) {
          if (leavesAtMs <= this.#nowMs) this.left.delete(sessionEpoch);
        }
      },
    };
    const takeover = new SessionTakeover({
      directory: {
        leaving: async () => [...this.left.values()],
        close: async (_partition: Partition, _key: DeviceKey, epoch: SessionEpoch) => this.left.delete(epoch),
        liveGateways: async () => this.#living,
      },
      downlinks: { send: () => Promise.resolve(true) } as never,
      log: { fenceProducer: () => Promise.resolve() } as never,
      clock,
      takeoverAnswerMs: 1_000,
      takeoverWaitMs: 5_000,
      fencedPairsMax: 10,
      onEnd: (end) => this.ends.push(end),
    });
    const sessionEpoch = 9 as SessionEpoch;
    await takeover.finish({ key: KEY, partition: PARTITION, sessionEpoch, leaving: [...this.left.values()] });
  }
}

describe('the end of older connections', () => {
  it('is counted once for each, by how it came', async () => {
    const older = new Older(['alive', 'hangs', 'slow'])
      .add(1, 'dead')
      .add(2, 'alive', { leavesAtMs: 40 })
      .add(3, 'hangs')
      .add(4, 'slow', { isHeard: true })
      .add(5, 'alive', { leavesAtMs: 3_000, isHeard: true });
    await older.takeOver();
    expect(older.ends).toEqual(['fenced', 'settled', 'silent', 'settled', 'overdue']);
    expect(older.left.size).toBe(0);
  });

  it('is not waited for where the gateway is dead, and nothing is where there was none', async () => {
    const older = new Older([]).add(1, 'dead');
    await older.takeOver();
    expect(older.ends).toEqual(['fenced']);
    const none = new Older([]);
    await none.takeOver();
    expect(none.ends).toEqual([]);
  });
});
