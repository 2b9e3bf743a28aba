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

/** What `timers` of a stored state is when there are none: most twins need not be read for theirs. */
const NO_TIMERS = '"timers":[]';

/**
 * Puts a partition back as its shard was at the newest snapshot: every twin from its own snapshot and the records of
 * the log between the two, with the ledger, the outbox and the positions of that moment. From there the workers go on
 * by their ordinary way, so that what the records after it cause is caused: answers, downlinks, signals.
 *
 * No order between the lanes is stored; here control comes first, as in a shard.
 */
export async function rebuildPartition(parts: RebuildParts, partition: Partition): Promise<RebuiltPartition> {
  const { log, logId, archive, restorer } = parts;
  const [control, telemetry] = await Promise.all(LANES.map((lane) => log.bounds(lane, partition)));
  const bounds = { control: control as LogBounds, telemetry: telemetry as LogBounds };
  const kept = await archive.find(partition, logId);
  if (kept === null && LANES.every((lane) => bounds[lane].first === 0)) {
    return { kind: 'inLog', left: LANES.reduce((sum, lane) => sum + bounds[lane].end, 0) };
  }
  const needed = checked(kept, partition, bounds);
  const { floor, shard } = needed;
  if (!(await restorer.begin(partition, { replace: parts.replace === true }))) return { kind: 'there' };
  const later = await recordsByTwin(log, partition, { from: floor, to: shard.positions });
  let twins = 0;
  let replayed = 0;
  const put = async (batch: readonly StoredTwin[]): Promise<void> => {
    const present = batch.filter(({ state }) => state !== null);
    await restorer.write(partition, present, present.flatMap(timersOf));
    twins += present.length;
  };
  for await (const batch of archive.twins(partition, logId)) {
    await put(
      batch.map(({ key, revision, state, positions }) => {
        const records = (later.get(key) ?? []).filter(({ lane, offset }) => offset >= positions[lane]);
        later.delete(key);
        if (records.length === 0) return { key, revision, state };
        replayed += records.length;
        return { key, revision: revision + 1, state: replayTwin(key, state, records) };
      }),
    );
  }
  // Their first record came after the last round had begun.
  const born = [...later].map(([key, records]) => {
    replayed += records.length;
    return { key, revision: 1, state: replayTwin(key, null, records) };
  });
  await put(born);
  await restorer.end(partition, shard.text);
  const left = LANES.reduce((sum, lane) => sum + bounds[lane].end - shard.positions[lane], 0);
  return { kind: 'rebuilt', twins, replayed, left };
}

/** @throws CliFailure REBUILD_IMPOSSIBLE when the log has forgotten records that are in no snapshot. */
function checked(kept: ArchivedPartition | null, partition: Partition, bounds: Bounds): ArchivedPartition {
  if (kept === null) {
    const detail = `ClickHouse has no snapshot of partition ${partition} for this log, and the log does not begin at 0`;
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

/** @throws CliFailure REBUILD_IMPOSSIBLE when the log forgets them meanwhile: retention of Kafka asks nobody. */
async function recordsByTwin(
  log: EventLog,
  partition: Partition,
  range: { readonly from: LanePositions; readonly to: LanePositions },
): Promise<Map<DeviceKey, LogRecord[]>> {
  try {
    return await readByTwin(log, partition, range);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'POSITION_OUT_OF_RANGE') throw error;
    throw new CliFailure('REBUILD_IMPOSSIBLE', `the log forgets what is needed while it is read: ${error.message}`);
  }
}

async function readByTwin(
  log: EventLog,
  partition: Partition,
  range: { readonly from: LanePositions; readonly to: LanePositions },
): Promise<Map<DeviceKey, LogRecord[]>> {
  const found = new Map<DeviceKey, LogRecord[]>();
  for (const lane of LANES) {
    const { [lane]: from } = range.from;
    const { [lane]: to } = range.to;
    for await (const record of recordsOf(log, { lane, partition, from, to })) {
      if (record.decoded === null) continue;
      const { key } = record.decoded;
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
