import { createLogger } from '@breakwater/observability';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { beforeEach, describe, expect, it } from '@jest/globals';

import { type TurnLease, WriterTurn } from './writer-turn.ts';

const TTL_MS = 3_000;

/** A lease by the clock of the test, which can be out of reach for single writers. */
class LeaseUnderTest implements TurnLease {
  readonly away = new Set<string>();
  #holder: { readonly writer: string; readonly untilMs: number } | null = null;

  constructor(private readonly clock: VirtualClock) {}

  async acquire(writer: string, ttlMs: number): Promise<boolean> {
    this.#reach(writer);
    const nowMs = this.clock.nowMs();
    if (this.#holder !== null && this.#holder.writer !== writer && this.#holder.untilMs > nowMs) return false;
    this.#holder = { writer, untilMs: nowMs + ttlMs };
    return true;
  }

  async release(writer: string): Promise<void> {
    this.#reach(writer);
    if (this.#holder?.writer === writer) this.#holder = null;
  }

  #reach(writer: string): void {
    if (this.away.has(writer)) throw new Error('no connection');
  }
}

describe('the turn of a writer', () => {
  let clock: VirtualClock;
  let lease: LeaseUnderTest;
  let told: string[];

  beforeEach(() => {
    clock = new VirtualClock(1_000);
    lease = new LeaseUnderTest(clock);
    told = [];
  });

  function start(writer: string): WriterTurn {
    const logger = createLogger('test', 'silent');
    const turn = new WriterTurn({ lease, writer, leaseTtlMs: TTL_MS, clock, logger });
    turn.start(
      () => told.push(`${writer} begins`),
      () => told.push(`${writer} lost it`),
    );
    return turn;
  }

  it('comes to one at a time, and to the next as soon as the first has left', async () => {
    const first = start('a');
    await clock.advance(0);
    const second = start('b');
    await clock.advance(60_000);
    expect(told).toEqual(['a begins']);
    expect([first.isHeld, second.isHeld]).toEqual([true, false]);
    await first.stop();
    await clock.advance(TTL_MS / 5);
    expect(told).toEqual(['a begins', 'b begins']);
    await second.stop();
  });

  it('stays while the lease cannot be asked for, and is lost when another took it meanwhile', async () => {
    const first = start('a');
    await clock.advance(0);
    lease.away.add('a');
    await clock.advance(10 * TTL_MS);
    expect(first.isHeld).toBe(true);
    const second = start('b');
    await clock.advance(TTL_MS);
    expect(told).toEqual(['a begins', 'b begins']);
    lease.away.delete('a');
    await clock.advance(TTL_MS);
    expect(told).toEqual(['a begins', 'b begins', 'a lost it']);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('is taken up at once by a writer that is started again under its name', async () => {
    start('a');
    await clock.advance(0);
    const again = start('a');
    await clock.advance(0);
    expect(again.isHeld).toBe(true);
  });

  it('is not given away by one that never had it', async () => {
    const first = start('a');
    await clock.advance(0);
    const second = start('b');
    await clock.advance(0);
    await second.stop();
    start('c');
    await clock.advance(TTL_MS);
    expect(told).toEqual(['a begins']);
    await first.stop();
  });
});
