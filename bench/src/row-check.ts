import type { ClickHouseClient } from '@clickhouse/client';

export interface RowCheck {
  readonly eventsAcknowledged: number;
  readonly eventsStored: number;
  /** Acknowledged to the device and not among the rows. */
  readonly lost: number;
  /** Stored more than once. */
  readonly duplicated: number;
  /** Stored, but with another number of rows than the event has values. */
  readonly incomplete: number;
  readonly examples: readonly string[];
}

const EXAMPLES_MAX = 10;
const VALUES_PER_EVENT = 5;

/** The query's own memory limit is for users; the check reads everything. */
const DEVICES_PER_QUERY = 100;

/**
 * Compares the rows with what the devices know to be acknowledged, event by event: each (device, seq) has exactly one
 * `seq` row, and each record as many rows as values. Counters of the platform take no part in it.
 */
export async function checkRows(
  client: ClickHouseClient,
  acknowledged: ReadonlyMap<string, readonly number[]>,
): Promise<RowCheck> {
  const totals = { eventsAcknowledged: 0, eventsStored: 0, lost: 0, duplicated: 0, incomplete: 0 };
  const examples: string[] = [];
  const note = (example: string) => {
    if (examples.length < EXAMPLES_MAX) examples.push(example);
  };
  const devices = [...acknowledged.keys()];
  for (let first = 0; first < devices.length; first += DEVICES_PER_QUERY) {
    const group = devices.slice(first, first + DEVICES_PER_QUERY);
    const stored = await readStored(client, group);
    for (const device of group) {
      const seqs = acknowledged.get(device) ?? [];
      const rows = stored.get(device) ?? new Map<number, number>();
      totals.eventsAcknowledged += seqs.length;
      for (const seq of seqs) {
        if (rows.has(seq)) continue;
        totals.lost += 1;
        note(`${device} seq ${seq} was acknowledged and is not stored`);
      }
      for (const [seq, count] of rows) {
        totals.eventsStored += count;
        if (count === 1) continue;
        totals.duplicated += count - 1;
        note(`${device} seq ${seq} is stored ${count} times`);
      }
    }
    for (const device of await readIncomplete(client, group)) {
      totals.incomplete += 1;
      note(`${device} has an event without its ${VALUES_PER_EVENT} rows`);
    }
  }
  return { ...totals, examples };
}

async function readStored(
  client: ClickHouseClient,
  devices: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<number, number>>> {
  const result = await client.query({
    query: `SELECT device_id, groupArray(toUInt32(value)) AS seqs FROM telemetry
            WHERE device_id IN {devices:Array(String)} AND key = 'seq' GROUP BY device_id`,
    query_params: { devices },
    format: 'JSONEachRow',
  });
  const stored = new Map<string, Map<number, number>>();
  for (const row of await result.json<{ device_id: string; seqs: number[] }>()) {
    const counts = new Map<number, number>();
    for (const seq of row.seqs) counts.set(seq, (counts.get(seq) ?? 0) + 1);
    stored.set(row.device_id, counts);
  }
  return stored;
}

async function readIncomplete(client: ClickHouseClient, devices: readonly string[]): Promise<readonly string[]> {
  const result = await client.query({
    query: `SELECT device_id FROM (
              SELECT device_id, key, count() AS rows FROM telemetry
              WHERE device_id IN {devices:Array(String)} GROUP BY device_id, key)
            GROUP BY device_id HAVING min(rows) != max(rows) OR count() != {values:UInt32}`,
    query_params: { devices, values: VALUES_PER_EVENT },
    format: 'JSONEachRow',
  });
  return (await result.json<{ device_id: string }>()).map((row) => row.device_id);
}
