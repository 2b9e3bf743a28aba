import { randomUUID } from 'node:crypto';

import { assert, type DeviceKey, type LogId, type Partition, splitDeviceKey } from '@breakwater/twin';
import {
  type EventLog,
  type InputRecord,
  type Lane,
  LeasedMembership,
  LANES,
  type OutboxEntry,
  type PlatformError,
  type RecordAppender,
  ShardRegion,
  type ShardEnd,
  systemClock,
  systemRandom,
} from '@breakwater/twin-runtime';
import { decodeRecord, encodeRecord, keyOfRecord, type RecordMessage } from '@breakwater/wire';
import type { Redis } from 'ioredis';

import { RedisPartitionLeases } from '../redis-partition-leases.ts';
import { RedisTwinStore } from '../twins/redis-twin-store.ts';

export interface RedisWorkerOptions {
  readonly log: EventLog;
  /** Of the twins; the log may be elsewhere. */
  readonly redis: Redis;
  readonly partitionCount: number;
  readonly memberId: string;
}

const MEBIBYTE = 1024 * 1024;
const LEASE_TTL_MS = 1_000;
const TIMERS_MAX = 100_000;
const ARMED = '"timers":[{';

/** A shard region on Redis whose effects are only noted. Every one is confirmed at once. */
export class RedisWorker {
  readonly store: RedisTwinStore;
  readonly effects: OutboxEntry[] = [];
  readonly ends: ShardEnd[] = [];
  readonly #options: RedisWorkerOptions;
  readonly #region: ShardRegion;

  constructor(options: RedisWorkerOptions) {
    const { log, redis, partitionCount, memberId } = options;
    this.#options = options;
    this.store = new RedisTwinStore({ redis, commitTwinsMax: 2_000, commitBytesMax: 16 * MEBIBYTE });
    this.#region = new ShardRegion({
      ...{ log, memberId, store: this.store },
      membership: new LeasedMembership({
        ...{ memberId, partitionCount, leaseTtlMs: LEASE_TTL_MS, clock: systemClock },
        leases: new RedisPartitionLeases(redis),
      }),
      effects: {
        dispatch: async (_partition, _epoch, entries) => {
          this.effects.push(...entries);
          return entries.map(({ id }) => id);
        },
      },
      input: recordAppender(log, memberId),
      decode: (line) => {
        const record = decodeRecord(line);
        const { incarnation, sessionEpoch, message } = record;
        return { key: keyOfRecord(record), incarnation, sessionEpoch, message };
      },
      ...{ clock: systemClock, random: systemRandom },
      limits: { heartbeatMs: 100, acquireRetryMs: 50, retakeMs: 20, retakeMaxMs: 200 },
      observer: { shardEnded: (_partition, end) => void this.ends.push(end) },
    });
  }

  start(): void {
    this.#region.start();
  }

  stop(): Promise<void> {
    return this.#region.stop();
  }

  get stopped(): ReadonlyMap<Partition, PlatformError> {
    return this.#region.status.stopped;
  }

  /** Whether everything that is in the log is applied. */
  async isDone(): Promise<boolean> {
    const { log, partitionCount } = this.#options;
    for (let at = 0; at < partitionCount; at += 1) {
      const { positions } = await this.store.ledger(at as Partition);
      for (const lane of LANES) {
        if (positions[lane] < (await log.bounds(lane, at as Partition)).end) return false;
      }
    }
    return true;
  }

  /** What its store holds, by partition. */
  contents(): Promise<readonly PartitionContent[]> {
    const { redis, partitionCount } = this.#options;
    const partitions = Array.from({ length: partitionCount }, (_, at) => at as Partition);
    return Promise.all(partitions.map((partition) => contentOf(redis, this.store, partition)));
  }

  /** Records before its position for which no outcome is counted: none, in a ledger that balances. */
  async uncounted(partition: Partition): Promise<Readonly<Record<Lane, number>>> {
    const { positions, counts } = await this.store.ledger(partition);
    const counted = (lane: Lane): number => Object.values(counts[lane]).reduce((total, count) => total + count, 0);
    return { control: positions.control - counted('control'), telemetry: positions.telemetry - counted('telemetry') };
  }
}

/** Appends the lines as one frame, as a producer of its own. */
export async function appendLines(
  log: EventLog,
  place: { readonly lane: Lane; readonly partition: Partition },
  lines: readonly string[],
): Promise<void> {
  if (lines.length === 0) return;
  const frame = { ...place, producerId: `test-${randomUUID()}`, seq: 1, body: lines.join('\n') };
  const [result] = await log.append([{ ...frame, recordCount: lines.length }]);
  assert(result?.kind === 'appended', 'the log takes what a test appends');
}

/** Appends what it is given as one frame, as a producer of its own. */
function recordAppender(log: EventLog, name: string): RecordAppender {
  let frames = 0;
  return {
    appendRecords: async (partition, records) => {
      frames += 1;
      const body = records.map(recordLine).join('\n');
      const frame = { lane: 'control', partition, producerId: `${name}-${frames}`, seq: 1, body } as const;
      const [result] = await log.append([{ ...frame, recordCount: records.length }]);
      return result?.kind === 'appended';
    },
  };
}

/** The line of a record that comes from nowhere in particular. */
export function recordLine({ key, incarnation, sessionEpoch, message }: InputRecord): string {
  return encodeRecord({
    ...splitDeviceKey(key),
    ...{ incarnation, sessionEpoch, packetId: 0, digest: 0, messageId: '', receivedAtMs: Date.now(), traceparent: '' },
    message: message as RecordMessage,
  });
}

/** What a store holds of a partition and records alone decide. Revisions count writes, and are left out. */
export interface PartitionContent {
  readonly logId: LogId | null;
  readonly twins: ReadonlyMap<DeviceKey, string>;
  readonly ledger: unknown;
  readonly timers: unknown;
}

async function contentOf(redis: Redis, store: RedisTwinStore, partition: Partition): Promise<PartitionContent> {
  const keys = ((await redis.hkeys(`bw:{${partition}}:twins`)) as DeviceKey[]).sort();
  const stored = await store.load(partition, keys);
  const { logId, ...ledger } = await store.tenantLedger(partition);
  const timers = await store.dueTimers(partition, Number.MAX_SAFE_INTEGER, TIMERS_MAX);
  const armed = new Set(stored.filter(({ state }) => state?.includes(ARMED) === true).map(({ key }) => key));
  return {
    logId,
    twins: new Map(stored.map(({ key, state }) => [key, state ?? ''])),
    ledger,
    // A deleted device leaves its timer behind, which fires into nothing.
    timers: timers.filter(({ key }) => armed.has(key)),
  };
}
