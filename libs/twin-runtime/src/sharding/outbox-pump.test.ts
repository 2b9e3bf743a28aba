import { describe, expect, it } from '@jest/globals';
import type { DeviceKey, Epoch, Partition, SessionEpoch } from '@breakwater/twin';

import { encodeDownlink } from '../outbox-payload.ts';
import type { OutboxEntry } from '../ports/twin-store.ts';
import { silentObserver } from '../region-observer.ts';
import { DEFAULT_RUNTIME_LIMITS, type RuntimeLimits } from '../runtime-limits.ts';
import { VirtualClock } from '../virtual-time/virtual-clock.ts';
import { OutboxPump } from './outbox-pump.ts';
import type { RegionParts } from './region-parts.ts';

const PARTITION = 0 as Partition;
const RETRY_MS = 1_000;

/** A pump whose devices take nothing, unless they are named in `taking`. */
class Fixture {
  readonly clock = new VirtualClock(0);
  readonly stored = new Map<string, OutboxEntry>();
  readonly dispatched: string[] = [];
  readonly taking = new Set<string>();
  readonly pump: OutboxPump;
  givenUp = 0;
  deadLettersGivenUp = 0;

  constructor(limits: Partial<RuntimeLimits>) {
    const parts = {
      clock: this.clock,
      limits: { ...DEFAULT_RUNTIME_LIMITS, outboxRetryMs: RETRY_MS, ...limits },
      observer: {
        ...silentObserver,
        answersGivenUp: (_: Partition, count: number) => (this.givenUp += count),
        deadLettersGivenUp: (_: Partition, count: number) => (this.deadLettersGivenUp += count),
      },
      effects: {
        dispatch: async (_partition: Partition, _epoch: Epoch, entries: readonly OutboxEntry[]) => {
          this.dispatched.push(...entries.map(({ id }) => id));
          return entries.filter(({ key }) => this.taking.has(key)).map(({ id }) => id);
        },
      },
      store: {
        outbox: async (_partition: Partition, limit: number) => [...this.stored.values()].slice(0, limit),
        confirmOutbox: async (_partition: Partition, ids: readonly string[]) => {
          for (const id of ids) this.stored.delete(id);
        },
      },
    } as unknown as RegionParts;
    this.pump = new OutboxPump({ partition: PARTITION, epoch: '1' as Epoch, parts, found: [] });
  }

  add(...entries: readonly OutboxEntry[]): void {
    for (const entry of entries) this.stored.set(entry.id, entry);
    this.pump.add(entries);
  }

  async pass(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs);
    await this.pump.refresh();
    await this.clock.advance(0);
  }
}

function entries(device: string, topic: string, count: number): OutboxEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${topic}:${device}:${index}`,
    kind: 'downlink',
    key: device as DeviceKey,
    payload: encodeDownlink({
      kind: 'downlink',
      topic,
      qos: 1,
      sessionEpoch: 1 as SessionEpoch,
      twinVersion: index,
      payload: { text: 'x'.repeat(100) },
    }),
  }));
}

describe('OutboxPump', () => {
  it('gives up the oldest answers of a device that takes none, so that its shard goes on', async () => {
    const fixture = new Fixture({ outboxPerShardMax: 20, downlinksPerTwinMax: 5 });
    fixture.add(...entries('default/silent', 'twin/get', 20));
    expect(fixture.pump.isFull).toBe(true);
    await fixture.pass(2 * RETRY_MS);
    expect(fixture.pump.isFull).toBe(false);
    expect([...fixture.stored.keys()]).toEqual([15, 16, 17, 18, 19].map((index) => `twin/get:default/silent:${index}`));
    expect(fixture.givenUp).toBe(15);
  });

  it('sends every answer once, however many there are at once', async () => {
    const fixture = new Fixture({ downlinksPerTwinMax: 5 });
    fixture.taking.add('default/quick');
    fixture.add(...entries('default/quick', 'twin/get', 500));
    await fixture.pass(0);
    expect(new Set(fixture.dispatched).size).toBe(500);
    expect(fixture.stored.size).toBe(0);
    expect(fixture.givenUp).toBe(0);
  });

  it('never gives up a desired value, and nothing of other devices', async () => {
    const fixture = new Fixture({ downlinksPerTwinMax: 5 });
    fixture.add(...entries('default/silent', 'twin/desired', 20), ...entries('default/other', 'twin/get', 5));
    await fixture.pass(2 * RETRY_MS);
    expect(fixture.stored.size).toBe(25);
    expect(fixture.dispatched).toHaveLength(50);
  });

  it('never gives up a command, whose twin would believe that the session has it', async () => {
    const fixture = new Fixture({ downlinksPerTwinMax: 5 });
    const command = { commandId: 'c1', requestId: 1, dispatch: 1, deadlineMs: 1 };
    const commands = entries('default/silent', 'commands/c1/request', 10).map((entry) => ({
      ...entry,
      payload: JSON.stringify({ ...(JSON.parse(entry.payload) as object), command }),
    }));
    fixture.add(...commands);
    await fixture.pass(2 * RETRY_MS);
    expect(fixture.stored.size).toBe(10);
    expect(fixture.givenUp).toBe(0);
  });

  it('is full by bytes too, and has room again when they are confirmed', async () => {
    const fixture = new Fixture({ outboxBytesPerShardMax: 1_000 });
    fixture.add(...entries('default/silent', 'twin/desired', 10));
    expect(fixture.pump.isFull).toBe(true);
    fixture.stored.clear();
    await fixture.pump.refresh();
    expect(fixture.pump.isFull).toBe(false);
  });

  it('does not stop its shard for what waits for the history, only its control lane, and that later', async () => {
    const fixture = new Fixture({
      outboxPerShardMax: 5,
      outboxHistoryPerShardMax: 20,
      outboxBytesPerShardMax: 100_000,
    });
    fixture.add(...waitingForHistory('command', 'default/busy', 19));
    expect(fixture.pump).toMatchObject({ isFull: false, isHistoryFull: false, size: 19 });
    fixture.add(...waitingForHistory('command', 'default/other', 1));
    expect(fixture.pump).toMatchObject({ isFull: false, isHistoryFull: true });
    fixture.add(...entries('default/silent', 'twin/desired', 5));
    expect(fixture.pump).toMatchObject({ isFull: true });
    fixture.taking.add('default/busy').add('default/silent');
    await fixture.pass(2 * RETRY_MS);
    expect(fixture.pump).toMatchObject({ isFull: false, isHistoryFull: false, size: 1 });
  });

  it('bounds what waits for the history by bytes too, apart from the others', () => {
    const fixture = new Fixture({ outboxBytesPerShardMax: 1_000 });
    fixture.add(...waitingForHistory('command', 'default/busy', 12));
    expect(fixture.pump).toMatchObject({ isFull: false, isHistoryFull: true });
  });

  it('gives up the oldest dead letters of a device that has too many, and no change of a command', async () => {
    const fixture = new Fixture({ deadLettersPerTwinMax: 5 });
    fixture.add(...waitingForHistory('deadLetter', 'default/hostile', 20));
    fixture.add(...waitingForHistory('deadLetter', 'default/other', 5));
    fixture.add(...waitingForHistory('command', 'default/hostile', 20));
    await fixture.pass(2 * RETRY_MS);
    expect(fixture.deadLettersGivenUp).toBe(15);
    expect(fixture.stored.size).toBe(30);
    expect([...fixture.stored.keys()].filter((id) => id.startsWith('deadLetter:default/hostile'))).toHaveLength(5);
  });
});

function waitingForHistory(kind: 'command' | 'deadLetter', device: string, count: number): OutboxEntry[] {
  const payload = 'x'.repeat(100);
  return Array.from({ length: count }, (_, index) => ({
    id: `${kind}:${device}:${index}`,
    kind,
    key: device as DeviceKey,
    payload,
  }));
}
