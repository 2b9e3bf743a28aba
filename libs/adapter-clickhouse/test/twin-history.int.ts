import {
  ClickHouseSnapshotArchive,
  ClickHouseTelemetryReader,
  connectClickHouse,
  migrateClickHouse,
  TwinHistoryStore,
  type ClickHouse,
} from '@breakwater/adapter-clickhouse';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import type { DeviceId, DeviceKey, LogId, Offset, Partition, TenantId } from '@breakwater/twin';
import type { ArchivedTwin, FeedEntry, LanePositions, PartitionSnapshot } from '@breakwater/twin-runtime';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const TIMEOUT_MS = 120_000;
const P3 = 3 as Partition;
const LOG = 'log-1' as LogId;
const NOW_MS = Date.now();
const RANGE = {
  tenant: 't' as TenantId,
  device: "it's \\ a device" as DeviceId,
  fromMs: NOW_MS - 10_000,
  toMs: NOW_MS,
};

describe('twins in ClickHouse', () => {
  let embedded: EmbeddedProcess;
  let clickhouse: ClickHouse;

  beforeAll(async () => {
    embedded = await EmbeddedProcess.start();
    clickhouse = connectClickHouse({ url: embedded.url, user: 'default', password: '', database: 'breakwater' });
    await migrateClickHouse(clickhouse);
  }, TIMEOUT_MS);
  afterAll(async () => {
    await clickhouse.client.close();
    await embedded.remove();
  }, TIMEOUT_MS);

  it('shows each change once, newest first and in pages, however often it was stored', async () => {
    const history = new TwinHistoryStore(clickhouse);
    const reader = new ClickHouseTelemetryReader(clickhouse);
    expect(await history.cursors('feed-1')).toEqual(new Map());
    await history.store('feed-1', [entry(1, 1, 1), entry(2, 1, 2)]);
    await history.store('feed-1', [entry(2, 1, 2), entry(3, 1, 3), entry(4, 2, 1, { deletedAt: 5 })]);
    expect(await history.cursors('feed-1')).toEqual(new Map([[P3, '4']]));
    await history.store('feed-2', [entry(2, 1, 2)]);
    expect(await history.cursors('feed-2')).toEqual(new Map([[P3, '2']]));
    expect(await history.cursors('feed-1')).toEqual(new Map([[P3, '4']]));
    const first = await reader.readTwinHistory({ ...RANGE, limit: 3 });
    expect(first.items.map(({ incarnation, changeNumber }) => [incarnation, changeNumber])).toEqual([
      [2, 1],
      [1, 3],
      [1, 2],
    ]);
    expect(first.items[1]).toEqual({
      ...{ tsMs: NOW_MS - 1_000, incarnation: 1, changeNumber: 3, version: 30, reportedVersion: 4 },
      ...{ sections: ['desired', 'tags'], document: { id: 'ä', at: 3 } },
    });
    const second = await reader.readTwinHistory({ ...RANGE, limit: 3, cursor: first.nextCursor });
    expect(second.items.map(({ changeNumber }) => changeNumber)).toEqual([1]);
    expect(second.nextCursor).toBeNull();
    expect((await reader.readTwinHistory({ ...RANGE, toMs: NOW_MS - 5_000, limit: 3 })).items).toEqual([]);
  });

  it('has the newest document of each twin, by its life first, and knows the deleted ones', async () => {
    const documents = await rows(
      'SELECT incarnation, toUInt32(change_number) AS change, deleted FROM breakwater.twin_documents FINAL',
    );
    expect(documents).toEqual([{ incarnation: 2, change: 1, deleted: true }]);
  });

  it('gives back the newest snapshot of each twin of one log, and the shard as of the newest of all', async () => {
    const archive = new ClickHouseSnapshotArchive(clickhouse);
    expect(await archive.find(P3, LOG)).toBeNull();
    await archive.save(snapshot(10, ['a', 'b'], 'first'), null);
    expect(await archive.find(P3, LOG)).toBeNull();
    await archive.save(snapshot(10, [], 'first'), at(8));
    await archive.save({ ...snapshot(99, ['a'], 'other'), logId: 'log-0' as LogId }, at(99));
    await archive.save(snapshot(20, ['b', 'c'], 'second'), null);
    // What a resumed owner of the round brings late.
    await archive.save(snapshot(10, ['a', 'b'], 'first'), at(8));
    expect(await archive.find(P3, LOG)).toEqual({ floor: at(8), shard: { positions: at(20), text: 'second' } });
    const twins: ArchivedTwin[] = [];
    for await (const batch of archive.twins(P3, LOG)) twins.push(...batch);
    expect(twins).toEqual([
      { key: 'a', revision: 10, state: '{"at":10}\n[]', positions: at(10) },
      { key: 'b', revision: 20, state: '{"at":20}\n[]', positions: at(20) },
      { key: 'c', revision: 20, state: null, positions: at(20) },
    ]);
  });

  async function rows(query: string): Promise<unknown> {
    return (await clickhouse.client.query({ query, format: 'JSONEachRow' })).json();
  }
});

function entry(cursor: number, incarnation: number, changeNumber: number, more: object = {}): FeedEntry {
  const document = JSON.stringify({ id: 'ä', at: changeNumber, ...more });
  const change = {
    ...{ key: `${RANGE.tenant}/${RANGE.device}` as DeviceKey, incarnation, changeNumber, document },
    ...{ sections: ['desired', 'tags'], tsMs: NOW_MS - 1_000, version: 10 * changeNumber, reportedVersion: 4 },
    ...{ logId: LOG, lane: 'control' as const, offset: cursor as Offset },
  };
  return { partition: P3, cursor: String(cursor), change };
}

function at(position: number): LanePositions {
  return { control: position as Offset, telemetry: (2 * position) as Offset };
}

function snapshot(position: number, keys: readonly string[], shard: string): PartitionSnapshot {
  const twins = keys.map((key) => ({
    ...{ key: key as DeviceKey, revision: position },
    state: key === 'c' ? null : `{"at":${position}}\n[]`,
  }));
  return { partition: P3, logId: LOG, positions: at(position), twins, shard };
}
