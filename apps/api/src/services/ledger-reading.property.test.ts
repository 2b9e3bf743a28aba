import { MemoryEventLog, MemoryTwinStore } from '@breakwater/adapter-memory';
import type { LogId, Offset, Partition } from '@breakwater/twin';
import {
  type EventLog,
  type Imbalance,
  LANES,
  type Lane,
  type LanePositions,
  type Ownership,
  readLedger,
  systemClock,
  type TenantLedger,
  type WriterLedger,
} from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

const LOG = 'log-1' as LogId;
const P0 = 0 as Partition;
const OUTCOMES = ['applied', 'noop', 'dead', 'superseded'] as const;
const READINGS = 4;

/** What happens beside the readings: each does one step of its part. */
type Step = { readonly does: 'append' | 'twins' | 'writer' | 'trim'; readonly lane: Lane; readonly records: number };

const steps = fc.array(
  fc.record({
    does: fc.constantFrom('append', 'append', 'twins', 'writer', 'trim'),
    lane: fc.constantFrom(...LANES),
    records: fc.integer({ min: 1, max: 5 }),
  }) as fc.Arbitrary<Step>,
  { maxLength: 40 },
);

/** A platform without load of its own: a log, its two consumers, and whoever trims behind them. */
class Platform {
  readonly log = new MemoryEventLog({ clock: systemClock, logId: LOG });
  readonly twins = new MemoryTwinStore();
  readonly writer = { position: 0, counts: { stored: 0, nothingToStore: 0, dead: 0 } };
  #owned!: Ownership;
  #positions: Record<Lane, number> = { control: 0, telemetry: 0 };
  #seq = 0;

  async start(): Promise<void> {
    this.#owned = await this.twins.takeOwnership(P0, 'worker');
  }

  async step({ does, lane, records }: Step): Promise<void> {
    if (does === 'append') await this.#append(lane, records);
    if (does === 'twins') await this.#apply(lane, records);
    if (does === 'writer') await this.#store(records);
    // With no retention at all: what both have taken is gone at once.
    if (does === 'trim') await this.log.trim(lane, P0, this.#needed(lane) as Offset);
  }

  async #append(lane: Lane, recordCount: number): Promise<void> {
    const body = Array.from({ length: recordCount }, () => '{}').join('\n');
    this.#seq += 1;
    await this.log.append([{ lane, partition: P0, producerId: `p${this.#seq}`, seq: 1, body, recordCount }]);
  }

  async #apply(lane: Lane, most: number): Promise<void> {
    const { end } = await this.log.bounds(lane, P0);
    const taken = Math.min(most, end - this.#positions[lane]);
    if (taken === 0) return;
    const next = { ...this.#positions, [lane]: this.#positions[lane] + taken };
    const counts = { [OUTCOMES[taken % OUTCOMES.length]!]: taken };
    const nothing = { control: {}, telemetry: {} };
    await this.twins.commit([
      {
        partition: P0,
        epoch: this.#owned.epoch,
        logId: LOG,
        expected: this.#positions as unknown as LanePositions,
        next: next as unknown as LanePositions,
        twins: [],
        outbox: [],
        timers: [],
        counts: { ...nothing, [lane]: counts },
        tenants: { ...nothing, [lane]: { acme: counts } },
      },
    ]);
    this.#positions = next;
  }

  async #store(most: number): Promise<void> {
    const { end } = await this.log.bounds('telemetry', P0);
    const taken = Math.min(most, end - this.writer.position);
    this.writer.position += taken;
    this.writer.counts.stored += taken;
  }

  #needed(lane: Lane): number {
    return lane === 'control' ? this.#positions.control : Math.min(this.#positions.telemetry, this.writer.position);
  }
}

/** Reads through ports each call of which takes place when the scheduler says so. */
async function read(platform: Platform, pause: () => Promise<unknown>): Promise<readonly Imbalance[]> {
  const { log, twins, writer } = platform;
  const slowLog = {
    logId: async () => (await pause(), log.logId()),
    bounds: async (lane: Lane, partition: Partition) => (await pause(), log.bounds(lane, partition)),
  } as unknown as EventLog;
  const slowWriter = {
    readWriterLedger: async () => {
      await pause();
      const { position, counts } = writer;
      return [{ partition: P0, position, counts: { ...counts }, tenants: null, openPlans: 0, logId: LOG, began: 0 }];
    },
  } as unknown as WriterLedger;
  const tenantLedger = async (partition: Partition): Promise<TenantLedger> => {
    await pause();
    return twins.tenantLedger(partition);
  };
  const onWriterAway = (error: unknown): never => {
    throw error;
  };
  const parts = { log: slowLog, twins: { tenantLedger }, writer: slowWriter, partitionCount: 1, onWriterAway };
  return (await readLedger(parts)).imbalances;
}

const atOnce = () => Promise.resolve();

describe('the ledger while records are appended, taken, stored and trimmed', () => {
  it('never shows an imbalance where there is none, however the readings fall between', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.scheduler(), async (all, scheduler) => {
        const platform = new Platform();
        await platform.start();
        const pause = () => scheduler.schedule(Promise.resolve());
        const work = (async () => {
          for (const step of all) {
            await pause();
            await platform.step(step);
          }
        })();
        const readings = Array.from({ length: READINGS }, () => read(platform, pause));
        await scheduler.waitFor(Promise.all([work, ...readings]));
        for (const reading of readings) expect(await reading).toEqual([]);
        expect(await read(platform, atOnce)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['a record that the log forgot before the twins took it', 'trimmed'],
    ['a record that the twins did not count', 'outcomes'],
    ['a record that the writer counted twice', 'outcomes'],
    ['a writer that took what was never appended', 'ahead'],
  ] as const)('always shows %s', async (what, kind) => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const platform = new Platform();
        await platform.start();
        for (const step of all) await platform.step(step);
        await plant(platform, what);
        for (const step of all.filter(({ does }) => does === 'append')) await platform.step(step);
        expect((await read(platform, atOnce)).map((each) => each.kind)).toContain(kind);
      }),
      { numRuns: 50 },
    );
  });
});

async function plant(platform: Platform, what: string): Promise<void> {
  const { log, twins, writer } = platform;
  if (what.includes('forgot')) {
    await platform.step({ does: 'append', lane: 'control', records: 2 });
    await log.trim('control', P0, (await log.bounds('control', P0)).end);
  } else if (what.includes('did not count')) {
    await platform.step({ does: 'append', lane: 'telemetry', records: 1 });
    await platform.step({ does: 'twins', lane: 'telemetry', records: 1 });
    const whole = await twins.tenantLedger(P0);
    const telemetry = { ...whole.counts.telemetry, applied: (whole.counts.telemetry.applied ?? 0) - 1 };
    twins.tenantLedger = async () => ({ ...whole, counts: { ...whole.counts, telemetry } });
  } else if (what.includes('twice')) {
    writer.counts.stored += 1;
  } else {
    const { end } = await log.bounds('telemetry', P0);
    writer.counts.stored += end + 100 - writer.position;
    writer.position = end + 100;
    // More is appended behind it than is read: it stays ahead as long as it is further than that.
    writer.position += 1_000;
    writer.counts.stored += 1_000;
  }
}
