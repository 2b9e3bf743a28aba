import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';
import type {
  ArchivedPartition,
  ArchivedTwin,
  LanePositions,
  PartitionSnapshot,
  SnapshotArchive,
} from '@breakwater/twin-runtime';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { runRead } from '../read/run-read.ts';

type Kind = 'shard' | 'floor' | 'twin';

interface Place {
  readonly control: string;
  readonly telemetry: string;
}

/** Twins of one read: some MB of states. */
const TWINS_PER_READ = 2_000;

const SHARD_AND_FLOOR = `SELECT kind, control, telemetry, state FROM {database:Identifier}.twin_snapshots FINAL
WHERE partition = {partition:UInt16} AND log_id = {log:String} AND kind IN ('shard', 'floor')`;

const TWINS = `SELECT key, control, telemetry, revision, deleted, state FROM {database:Identifier}.twin_snapshots FINAL
WHERE partition = {partition:UInt16} AND log_id = {log:String} AND kind = 'twin' AND key > {after:String}
ORDER BY key LIMIT {limit:UInt32}`;

/** Snapshots in ClickHouse: the log and the twin store may be one Redis, so they are in neither. */
export class ClickHouseSnapshotArchive implements SnapshotArchive {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  async find(partition: Partition, logId: LogId): Promise<ArchivedPartition | null> {
    const rows = await runRead<Place & { readonly kind: Kind; readonly state: string }>(this.#clickhouse, {
      doing: 'looking for snapshots',
      query: SHARD_AND_FLOOR,
      parameters: { partition, log: logId },
    });
    const shard = rows.find(({ kind }) => kind === 'shard');
    const floor = rows.find(({ kind }) => kind === 'floor');
    if (shard === undefined || floor === undefined) return null;
    return { floor: positionsOf(floor), shard: { positions: positionsOf(shard), text: shard.state } };
  }

  async *twins(partition: Partition, logId: LogId): AsyncGenerator<readonly ArchivedTwin[]> {
    let after = '';
    for (;;) {
      const rows = await runRead<
        Place & {
          readonly key: DeviceKey;
          readonly revision: string;
          readonly deleted: boolean;
          readonly state: string;
        }
      >(this.#clickhouse, {
        doing: 'reading snapshots',
        query: TWINS,
        parameters: { partition, log: logId, after, limit: TWINS_PER_READ },
      });
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.key;
      yield rows.map((row) => ({
        key: row.key,
        revision: Number(row.revision),
        state: row.deleted ? null : row.state,
        positions: positionsOf(row),
      }));
    }
  }

  /**
   * One block, which ClickHouse stores whole or not. Were it cut, the shard stands first: a twin that is newer than its
   * shard would have records that no ledger counts.
   */
  async save(snapshot: PartitionSnapshot, floor: LanePositions | null): Promise<void> {
    const { partition, logId, positions, twins, shard } = snapshot;
    const row = (kind: Kind, at: LanePositions, rest: object) => {
      return { partition, log_id: logId, kind, control: at.control, telemetry: at.telemetry, ...rest };
    };
    const values = [
      row('shard', positions, { key: '', revision: 0, deleted: false, state: shard }),
      ...twins.map(({ key, revision, state }) =>
        row('twin', positions, { key, revision, deleted: state === null, state: state ?? '' }),
      ),
      ...(floor === null ? [] : [row('floor', floor, { key: '', revision: 0, deleted: false, state: '' })]),
    ];
    try {
      await this.#clickhouse.client.insert({
        table: `${this.#clickhouse.database}.twin_snapshots`,
        values,
        format: 'JSONEachRow',
        columns: ['partition', 'log_id', 'kind', 'control', 'telemetry', 'key', 'revision', 'deleted', 'state'],
        clickhouse_settings: { input_format_parallel_parsing: 0 },
        ...abortable(this.#clickhouse),
      });
    } catch (error) {
      throw clickHouseFailure(error, 'keeping snapshots of twins');
    }
  }
}

function positionsOf({ control, telemetry }: Place): LanePositions {
  return { control: Number(control) as Offset, telemetry: Number(telemetry) as Offset };
}
