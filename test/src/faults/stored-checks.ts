import { checkRows, type PlatformClient, type RowCheck } from '@breakwater/bench';
import { createClient, type ClickHouseClient } from '@clickhouse/client';

import { pause, twinOf, until } from '../platform-steps.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';

export interface StoredState {
  readonly rows: RowCheck;
  readonly twinsWrong: number;
  readonly problems: readonly string[];
}

type Acknowledged = ReadonlyMap<string, readonly number[]>;

interface LedgerAnswer {
  readonly partitions: readonly {
    readonly lane: string;
    readonly partition: number;
    readonly appended: number;
    readonly consumers: Readonly<
      Record<
        string,
        {
          readonly position: number;
          readonly inFlight: number;
          readonly outcomes: Readonly<Record<string, number>>;
        }
      >
    >;
  }[];
  readonly degraded: readonly string[];
}

const DEVICES_PER_QUERY = 100;
const TWINS_READ_AT_ONCE = 20;
const ROLLUPS = ['telemetry_1m', 'telemetry_1h'] as const;
const PROBLEMS_SHOWN_MAX = 10;
const POLL_MS = 250;

/** Waits until every consumer has had everything, then compares what was acknowledged with all that is stored. */
export async function checkStored(
  platform: PlatformUnderFault,
  client: PlatformClient,
  acknowledged: Acknowledged,
): Promise<StoredState> {
  const problems: string[] = [...(await settledLedger(client))];
  const port = (await platform.installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
  const clickhouse = createClient({ url: `http://127.0.0.1:${String(port)}`, database: 'breakwater' });
  try {
    const rows = await checkRows(clickhouse, acknowledged);
    problems.push(...rows.examples);
    if (rows.incomplete > 0) problems.push(`${rows.incomplete} devices have events without all of their rows`);
    for (const rollup of ROLLUPS) problems.push(...(await wrongRollups(clickhouse, rollup, acknowledged)));
    const wrongTwins = await findWrongTwins(client, acknowledged);
    problems.push(...wrongTwins);
    return { rows, twinsWrong: wrongTwins.length, problems: problems.slice(0, PROBLEMS_SHOWN_MAX) };
  } finally {
    await clickhouse.close();
  }
}

/** What is wrong with the ledger when nothing is in flight any more. */
async function settledLedger(client: PlatformClient): Promise<readonly string[]> {
  const ledger = await ledgerAtRest(client);
  const problems: string[] = [];
  for (const { lane, partition, appended, consumers } of ledger.partitions) {
    for (const [consumer, { outcomes, inFlight: left }] of Object.entries(consumers)) {
      const sum = Object.values(outcomes).reduce((total, count) => total + count, 0);
      if (appended === sum + left) continue;
      problems.push(
        `ledger of ${consumer}, ${lane}, ${partition}: ${appended} appended, ${sum} outcomes, ${left} left`,
      );
    }
  }
  return problems;
}

/** Waits for as long as something is carried on: after minutes without ClickHouse that takes minutes. */
async function ledgerAtRest(client: PlatformClient): Promise<LedgerAnswer> {
  const seen: { left: number; ledger?: LedgerAnswer } = { left: Number.POSITIVE_INFINITY };
  for (;;) {
    const { left: leftBefore } = seen;
    await until('every record to have its outcome', async () => {
      const ledger = (await client.rawLedger()) as LedgerAnswer;
      const left = inFlight(ledger);
      if (ledger.degraded.length > 0 || left >= leftBefore) {
        throw new Error(
          `${left} records are in flight, and cannot be asked: ${ledger.degraded.join(', ') || 'nobody'}`,
        );
      }
      Object.assign(seen, { left, ledger });
      return true;
    });
    if (seen.ledger !== undefined && seen.left === 0) return seen.ledger;
    await pause(POLL_MS);
  }
}

function inFlight({ partitions }: LedgerAnswer): number {
  let sum = 0;
  for (const { consumers } of partitions) for (const consumer of Object.values(consumers)) sum += consumer.inFlight;
  return sum;
}

async function wrongRollups(
  clickhouse: ClickHouseClient,
  table: (typeof ROLLUPS)[number],
  acknowledged: Acknowledged,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const devices = [...acknowledged.keys()];
  for (let first = 0; first < devices.length; first += DEVICES_PER_QUERY) {
    const group = devices.slice(first, first + DEVICES_PER_QUERY);
    const result = await clickhouse.query({
      query: `SELECT device_id, key, sum(count) AS events, max(max) AS newest FROM ${table}
              WHERE device_id IN {devices:Array(String)} AND key IN ('seq', 't') GROUP BY device_id, key`,
      query_params: { devices: group },
      format: 'JSONEachRow',
    });
    const found = new Map<string, { events: string | number; newest: number }>();
    for (const row of await result.json<{ device_id: string; key: string; events: string; newest: number }>()) {
      found.set(`${row.device_id} ${row.key}`, row);
    }
    for (const device of group) {
      const seqs = acknowledged.get(device) ?? [];
      for (const key of ['seq', 't']) {
        const events = Number(found.get(`${device} ${key}`)?.events ?? 0);
        if (events !== seqs.length) problems.push(`${table} counts ${events} of ${device} ${key}, not ${seqs.length}`);
      }
      const newest = found.get(`${device} seq`)?.newest ?? 0;
      if (newest !== newestOf(seqs)) problems.push(`${table} has ${newest} as newest of ${device}`);
    }
  }
  return problems;
}

async function findWrongTwins(client: PlatformClient, acknowledged: Acknowledged): Promise<readonly string[]> {
  const problems: string[] = [];
  const devices = [...acknowledged];
  for (let first = 0; first < devices.length; first += TWINS_READ_AT_ONCE) {
    const group = devices.slice(first, first + TWINS_READ_AT_ONCE);
    const twins = await Promise.all(group.map(([device]) => twinOf(client, device)));
    for (const [index, [device, seqs]] of group.entries()) {
      const seen = Number(twins[index]?.telemetry['seq']?.value ?? 0);
      const newest = newestOf(seqs);
      if (seen !== newest) problems.push(`the twin of ${device} holds event ${seen}, the newest is ${newest}`);
    }
  }
  return problems;
}

function newestOf(seqs: readonly number[]): number {
  return seqs.reduce((newest, seq) => Math.max(newest, seq), 0);
}
