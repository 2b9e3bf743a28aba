import { crc32 } from 'node:zlib';

import type { DeviceKey, LogId, Partition } from '@breakwater/twin';
import {
  type ArchivedPartition,
  type EventLog,
  type Lane,
  LANES,
  type LanePositions,
  type LogBounds,
  PlatformError,
  type SnapshotArchive,
  type StoredTwin,
  type TimerWrite,
  type TwinRestorer,
  twinModel,
} from '@breakwater/twin-runtime';

import { CliFailure } from '../cli-failure.ts';
import { type LogRecord, recordsOf } from '../verify/log-records.ts';
import { replayTwin } from '../verify/replay-twin.ts';

export interface RebuildParts {
  readonly log: EventLog;
  readonly logId: LogId;
  readonly archive: SnapshotArchive;
  readonly restorer: TwinRestorer;
  /** Also what the store has is to be made anew. */
  readonly replace?: boolean;
  /** Of record lines that are held at once. */
  readonly recordBytesMax?: number;
}

export type RebuiltPartition =
  /** The store has it. */
  | { readonly kind: 'there' }
  /** Nothing was ever copied of it, and the log still has all: workers make the twins from its first record on. */
  | { readonly kind: 'inLog'; readonly left: number }
  | {
      readonly kind: 'rebuilt';
      readonly twins: number;
      /** Records that were applied to snapshots here. */
      readonly replayed: number;
      /** Records that are left for the workers. */
      readonly left: number;
    };

type Bounds = Readonly<Record<Lane, LogBounds>>;

/** Of lines; what is made of them takes several times that. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Into so many shares twins are divided at most; records of one that do not fit then are of one twin, nearly. */
const SHARES_MAX = 4_096;
/** So often, in records, a rebuild that only reads says that it is at work: within its lease, also where it is slow. */
const RECORDS_PER_SIGN = 2_000;
/** What `timers` of a stored state is when there are none: most twins need not be read for theirs. */
const NO_TIMERS = '"timers":[]';

/**
 * Puts a partition back as its shard was at the newest snapshot: every twin from its own snapshot and the records of
 * the log between the two, with the ledger, the outbox and the positions of that moment. From there the workers go on
 * by their ordinary way, so that what the records after it cause is caused: answers, downlinks, signals.
 *
 * No order between the lanes is stored; here control comes first, as in a shard.
 *
 * The records between the two are held in memory by twin. Where they are too many, after an outage of ClickHouse, the
 * twins are divided into shares by their keys, and each share reads log and snapshots for itself.
 *
 * @throws CliFailure REBUILD_IMPOSSIBLE; REBUILD_RUNNING when another rebuild is at work on it
 */
export async function rebuildPartition(parts: RebuildParts, partition: Partition): Promise<RebuiltPartition> {
  const { log, logId, archive, restorer } = parts;
  const [control, telemetry] = await Promise.all(LANES.map((lane) => log.bounds(lane, partition)));
  const bounds = { control: control as LogBounds, telemetry: telemetry as LogBounds };
  const kept = await archive.find(partition, logId);
  if (kept === null && parts.replace !== true && LANES.every((lane) => bounds[lane].first === 0)) {
    return { kind: 'inLog', left: LANES.reduce((sum, lane) => sum + bounds[lane].end, 0) };
  }
  const needed = checked(kept, partition, bounds);
  const { floor, shard } = needed;
  const start = await beginAlone(parts, partition);
  if (start === 'there') return { kind: 'there' };
  const work = { ...parts, partition, range: { from: floor, to: shard.positions } };
  const sums = { twins: 0, replayed: 0 };
  const shares: Share[] = [{ of: 1, index: 0 }];
  for (let share = shares.pop(); share !== undefined; share = shares.pop()) {
    const records = await recordsByTwin(work, share);
    if (records === null) shares.push(...halvesOf(share, partition));
    else await restoreShare(work, { share, records, sums });
  }
  await restorer.end(partition, shard.text);
  const { twins, replayed } = sums;
  const left = LANES.reduce((sum, lane) => sum + bounds[lane].end - shard.positions[lane], 0);
  return { kind: 'rebuilt', twins, replayed, left };
}

/** A part of the twins, by a hash of their keys. */
interface Share {
  readonly of: number;
  readonly index: number;
}

interface PartitionWork extends RebuildParts {
  readonly partition: Partition;
  /** What lies between the oldest snapshot of a twin and the newest of the shard. */
  readonly range: { readonly from: LanePositions; readonly to: LanePositions };
}

function isIn({ of, index }: Share, key: DeviceKey): boolean {
  return of === 1 || crc32(key) % of === index;
}

/** @throws CliFailure REBUILD_IMPOSSIBLE */
function halvesOf({ of, index }: Share, partition: Partition): readonly Share[] {
  if (of >= SHARES_MAX) {
    const detail = `one twin of partition ${partition} has more records after its snapshot than fit into memory`;
    throw new CliFailure('REBUILD_IMPOSSIBLE', `${detail}: restore Redis from a backup (docs/operations/backup.md)`);
  }
  return [index, index + of].map((each) => ({ of: 2 * of, index: each }));
}

/**
 * Of two rebuilds one waits, and is refused when the other is still at work then. One that was killed has a mark in the
 * store as one that lives; whether it lives shows when its time is over.
 */
async function beginAlone(parts: RebuildParts, partition: Partition): Promise<'begun' | 'there'> {
  const { restorer, replace = false } = parts;
  const first = await restorer.begin(partition, { replace });
  if (first.kind !== 'others') return first.kind;
  await new Promise((resolve) => setTimeout(resolve, first.forMs));
  // What the other one has ended meanwhile is as it should be: replaced once more it would be taken from its worker.
  const second = await restorer.begin(partition);
  if (second.kind !== 'others') return second.kind;
  throw new CliFailure('REBUILD_RUNNING', `another rebuild is at work on partition ${partition}: let it end`);
}

async function restoreShare(
  { archive, restorer, logId, partition }: PartitionWork,
  {
    share,
    records: later,
    sums,
  }: {
    readonly share: Share;
    readonly records: Map<DeviceKey, LogRecord[]>;
    readonly sums: { twins: number; replayed: number };
  },
): Promise<void> {
  const put = async (batch: readonly StoredTwin[]): Promise<void> => {
    const present = batch.filter(({ state }) => state !== null);
    await restorer.write(partition, present, present.flatMap(timersOf));
    sums.twins += present.length;
  };
  for await (const batch of archive.twins(partition, logId)) {
    const ofShare = batch.filter(({ key }) => isIn(share, key));
    await put(
      ofShare.map(({ key, revision, state, positions }) => {
        const records = (later.get(key) ?? []).filter(({ lane, offset }) => offset >= positions[lane]);
        later.delete(key);
        if (records.length === 0) return { key, revision, state };
        sums.replayed += records.length;
        return { key, revision: revision + 1, state: replayTwin(key, state, records) };
      }),
    );
  }
  // Their first record came after the last round had begun.
  const born = [...later].map(([key, records]) => {
    sums.replayed += records.length;
    return { key, revision: 1, state: replayTwin(key, null, records) };
  });
  await put(born);
}

/** @throws CliFailure REBUILD_IMPOSSIBLE when the log has forgotten records that are in no snapshot. */
function checked(kept: ArchivedPartition | null, partition: Partition, bounds: Bounds): ArchivedPartition {
  if (kept === null) {
    const isWhole = LANES.every((lane) => bounds[lane].first === 0);
    const why = isWhole ? 'nothing is replaced by nothing' : 'the log does not begin at 0';
    const detail = `ClickHouse has no snapshot of partition ${partition} for this log, and ${why}`;
    throw new CliFailure('REBUILD_IMPOSSIBLE', `${detail}: restore Redis from a backup (docs/operations/backup.md)`);
  }
  for (const lane of LANES) {
    const { first, end } = bounds[lane];
    const needed = kept.floor[lane];
    if (needed >= first && kept.shard.positions[lane] <= end) continue;
    const detail = `${lane} of partition ${partition} is needed from ${needed} on, and the log has ${first} to ${end}`;
    throw new CliFailure('REBUILD_IMPOSSIBLE', `${detail}: restore Redis from a backup (docs/operations/backup.md)`);
  }
  return kept;
}

/**
 * Null when they do not fit into memory.
 *
 * @throws CliFailure REBUILD_IMPOSSIBLE when the log forgets them meanwhile: retention of Kafka asks nobody.
 */
async function recordsByTwin(work: PartitionWork, share: Share): Promise<Map<DeviceKey, LogRecord[]> | null> {
  try {
    return await readByTwin(work, share);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'POSITION_OUT_OF_RANGE') throw error;
    throw new CliFailure('REBUILD_IMPOSSIBLE', `the log forgets what is needed while it is read: ${error.message}`);
  }
}

async function readByTwin(
  { log, restorer, partition, range, recordBytesMax = RECORD_BYTES_MAX }: PartitionWork,
  share: Share,
): Promise<Map<DeviceKey, LogRecord[]> | null> {
  const found = new Map<DeviceKey, LogRecord[]>();
  let seen = 0;
  let bytes = 0;
  for (const lane of LANES) {
    const { [lane]: from } = range.from;
    const { [lane]: to } = range.to;
    for await (const record of recordsOf(log, { lane, partition, from, to })) {
      seen += 1;
      if (seen % RECORDS_PER_SIGN === 0) await restorer.write(partition, [], []);
      if (record.decoded === null) continue;
      const { key } = record.decoded;
      if (!isIn(share, key)) continue;
      bytes += record.size;
      if (bytes > recordBytesMax) return null;
      const records = found.get(key) ?? [];
      found.set(key, records);
      records.push(record);
    }
  }
  return found;
}

/** A timer stands in its twin and beside the positions: the second is made from the first. */
function timersOf({ key, state }: StoredTwin): readonly TimerWrite[] {
  if (state === null || state.includes(NO_TIMERS)) return [];
  const { timers } = twinModel.parseTwin(state);
  return timers.flatMap(({ timerId, generation, dueAtMs }) =>
    dueAtMs === undefined ? [] : [{ key, timerId, generation, dueAtMs }],
  );
}
