import {
  MemoryEventLog,
  MemoryPartitionLeases,
  MemorySessionDirectory,
  MemoryTwinStore,
} from '@breakwater/adapter-memory';
import type { DeviceId, Incarnation, LogId, Partition, SessionEpoch, TenantId } from '@breakwater/twin';
import {
  type InputRecord,
  type Lane,
  LeasedMembership,
  type OutboxEntry,
  ShardRegion,
  type ShardRegionOptions,
} from '@breakwater/twin-runtime';
import { SeededRandom, VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { encodeRecord, type RecordMessage } from '@breakwater/wire';

import { decodeLine } from './workload.ts';

const START_MS = 1_790_000_000_000;
const STEP_MS = 10;
const LEASE_TTL_MS = 5_000;
/** Virtual: a condition that does not hold by then never will. */
const WAIT_MS_MAX = 60_000;

export interface RecordOptions {
  readonly device?: string;
  readonly sessionEpoch?: number;
  readonly incarnation?: number;
}

/** Log, store and leases in memory without any fault, for scenarios that bring their own. */
export class CalmPlatform {
  readonly time = new VirtualClock(START_MS);
  readonly log: MemoryEventLog;
  readonly store: MemoryTwinStore;
  readonly leases = new MemoryPartitionLeases(this.time);
  readonly directory = new MemorySessionDirectory(this.time);
  readonly partitionCount: number;
  /** Everything that was dispatched, in order, repetitions too. */
  readonly dispatched: OutboxEntry[] = [];
  /** What ended, and how: `<partition> <end> <code>`. */
  readonly ends: string[] = [];
  /** What became dead letters: `<lane> <code>`. */
  readonly deadLetters: string[] = [];
  readonly commits: { readonly partition: Partition; readonly records: number; readonly control: number }[] = [];
  #producers = 0;
  #regions = 0;

  constructor(
    options: { readonly partitionCount?: number; readonly logId?: string; readonly store?: MemoryTwinStore } = {},
  ) {
    this.partitionCount = options.partitionCount ?? 1;
    this.log = new MemoryEventLog({ clock: this.time, logId: (options.logId ?? 'log') as LogId });
    this.store = options.store ?? new MemoryTwinStore();
  }

  region(options: Partial<ShardRegionOptions> = {}): ShardRegion {
    const number = ++this.#regions;
    const memberId = `worker-${number}`;
    const { leases, partitionCount, time: clock } = this;
    return new ShardRegion({
      memberId,
      membership: new LeasedMembership({ leases, memberId, partitionCount, clock, leaseTtlMs: LEASE_TTL_MS }),
      log: this.log,
      store: this.store,
      effects: { dispatch: async (_partition, _epoch, entries) => this.#done(entries) },
      input: { appendRecords: (partition, records) => this.appendInput(partition, records) },
      decode: decodeLine,
      clock,
      random: new SeededRandom(number),
      ...options,
      observer: {
        shardEnded: (partition, end, error) => {
          const code = (error as { readonly code?: unknown } | null)?.code;
          this.ends.push(`${partition} ${end}${typeof code === 'string' ? ` ${code}` : ''}`);
        },
        deadLettered: (_partition, lane, code) => this.deadLetters.push(`${lane} ${code}`),
        committed: ({ partition, records, counts }) => {
          const control = Object.values(counts.control).reduce((sum, count) => sum + count, 0);
          this.commits.push({ partition, records, control });
        },
        ...options.observer,
      },
    });
  }

  /** Appends one frame of lines. */
  async appendLines(lane: Lane, lines: readonly string[], partition = 0 as Partition): Promise<void> {
    const producerId = `producer-${++this.#producers}`;
    const request = { lane, partition, producerId, seq: 1, body: lines.join('\n'), recordCount: lines.length };
    const [result] = await this.log.append([request]);
    if (result?.kind !== 'appended') throw new Error(`the log refused: ${result?.code}`);
  }

  appendMessages(lane: Lane, messages: readonly RecordMessage[], options: RecordOptions = {}): Promise<void> {
    return this.appendLines(
      lane,
      messages.map((message) => this.line(message, options)),
    );
  }

  async appendInput(partition: Partition, records: readonly InputRecord[]): Promise<boolean> {
    const lines = records.map(({ key, incarnation, sessionEpoch, message }) =>
      this.line(message as RecordMessage, { device: key.slice(key.indexOf('/') + 1), incarnation, sessionEpoch }),
    );
    await this.appendLines('control', lines, partition);
    return true;
  }

  line(message: RecordMessage, { device = 'd1', sessionEpoch = 1, incarnation = 1 }: RecordOptions = {}): string {
    return encodeRecord({
      tenant: 'default' as TenantId,
      device: device as DeviceId,
      incarnation: incarnation as Incarnation,
      sessionEpoch: sessionEpoch as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: this.time.nowMs(),
      traceparent: '',
      message,
    });
  }

  /** Lets time pass until the condition holds; the sentence says what was waited for. */
  async until(sentence: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += STEP_MS) {
      if (await condition()) return;
      await this.time.advance(STEP_MS);
    }
    throw new Error(`after ${WAIT_MS_MAX} virtual ms still not: ${sentence}`);
  }

  /** Waits until everything that is in the log is committed. */
  async caughtUp(partition = 0 as Partition): Promise<void> {
    await this.until(`partition ${partition} has applied its log`, async () => {
      const { positions } = await this.store.ledger(partition);
      const control = await this.log.bounds('control', partition);
      const telemetry = await this.log.bounds('telemetry', partition);
      return positions.control === control.end && positions.telemetry === telemetry.end;
    });
  }

  #done(entries: readonly OutboxEntry[]): readonly string[] {
    this.dispatched.push(...entries);
    return entries.filter(({ kind }) => kind !== 'downlink').map(({ id }) => id);
  }
}
