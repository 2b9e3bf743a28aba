import type { ClickHouseClient } from '@clickhouse/client';

import type { DeviceOutcome } from '../load/storm-generator.ts';
import { FIRST_SEQ, VALUES_PER_EVENT } from '../load/event-values.ts';
import { missingRanges, rangeText } from './seq-ranges.ts';

export interface RowAudit {
  readonly acknowledged: number;
  /** Events among the rows, repeated ones counted once. */
  readonly stored: number;
  /** Acknowledged to the device and not among the rows. */
  readonly lost: number;
  /** Rows of the sequence number beyond the first of its event. */
  readonly duplicated: number;
  /** Rows with a number that its device never sent. */
  readonly foreign: number;
  /** Devices with events that do not have exactly one row of each value. */
  readonly incomplete: number;
  /** Rollups, 1-minute and 1-hour, that are not the sum of their device's raw rows. */
  readonly wrongRollups: number;
  readonly examples: readonly string[];
}

/** Devices with about so many events are asked for at once: a read of the embedded ClickHouse may take ten seconds. */
const EVENTS_PER_QUERY = 400_000;
const DEVICES_PER_QUERY = 5_000;
const EXAMPLES_MAX = 20;
const ROLLUPS = ['telemetry_1m', 'telemetry_1h'] as const;
/** Sums of fractions depend on the order of adding; sums of sequence numbers do not. */
const SUM_TOLERANCE = 1e-9;

interface KeyRows {
  readonly rows: number;
  readonly values: number;
  readonly records: number;
  readonly lowest: number;
  readonly highest: number;
  readonly sum: number;
}

/** Of devices, both ends included. */
interface IdRange {
  readonly first: string;
  readonly last: string;
}

interface RollupRows {
  readonly rows: number;
  readonly sum: number;
}

type Mutable = { -readonly [Field in keyof Omit<RowAudit, 'examples'>]: number };
type ByDevice<Rows> = ReadonlyMap<string, ReadonlyMap<string, Rows>>;

/**
 * Compares the rows with what the devices know to be acknowledged, by queries of sums per group of devices: a device's
 * numbers are contiguous, so how many there are, how many differ, the lowest and the highest tell of every single one.
 * Only where these do not agree are the numbers themselves read, and what is missing is named. Counters of the
 * platform take no part in it.
 */
export async function auditRows(client: ClickHouseClient, outcomes: readonly DeviceOutcome[]): Promise<RowAudit> {
  const audit = new Audit(client);
  let group: DeviceOutcome[] = [];
  let events = 0;
  // By ranges of ids: a list of them would not fit into a request.
  for (const outcome of outcomes.toSorted((left, right) => (left.id < right.id ? -1 : 1))) {
    if (group.length > 0 && (events + outcome.sent > EVENTS_PER_QUERY || group.length === DEVICES_PER_QUERY)) {
      await audit.check(group);
      group = [];
      events = 0;
    }
    group.push(outcome);
    events += outcome.sent;
  }
  if (group.length > 0) await audit.check(group);
  return audit.result();
}

class Audit {
  readonly #client: ClickHouseClient;
  readonly #examples: string[] = [];
  readonly #totals: Mutable = {
    acknowledged: 0,
    stored: 0,
    lost: 0,
    duplicated: 0,
    foreign: 0,
    incomplete: 0,
    wrongRollups: 0,
  };

  constructor(client: ClickHouseClient) {
    this.#client = client;
  }

  result(): RowAudit {
    return { ...this.#totals, examples: this.#examples };
  }

  async check(group: readonly DeviceOutcome[]): Promise<void> {
    const range = { first: group[0]?.id ?? '', last: group.at(-1)?.id ?? '' };
    const raw = await this.#readRaw(range);
    const rollups = [await this.#readRollup('telemetry_1m', range), await this.#readRollup('telemetry_1h', range)];
    for (const outcome of group) {
      const keys = raw.get(outcome.id) ?? new Map<string, KeyRows>();
      await this.#checkEvents(outcome, keys);
      for (const [at, rollup] of rollups.entries()) this.#checkRollup(outcome.id, keys, { at, rollup });
    }
  }

  async #checkEvents(outcome: DeviceOutcome, keys: ReadonlyMap<string, KeyRows>): Promise<void> {
    const { id, acknowledged, sent } = outcome;
    const found = keys.get('seq') ?? { rows: 0, values: 0, records: 0, lowest: FIRST_SEQ, highest: FIRST_SEQ - 1 };
    this.#totals.acknowledged += acknowledged;
    this.#totals.stored += found.values;
    this.#totals.duplicated += found.rows - found.values;
    if (found.rows !== found.values) {
      this.#note(`${id} has ${found.rows} rows for ${found.values} events: ${await this.#repeatedOf(id)}`);
    }
    const isContiguous = found.lowest === FIRST_SEQ && found.highest === FIRST_SEQ + found.values - 1;
    const isAll = found.values >= acknowledged && found.values <= sent;
    if ((found.values > 0 || acknowledged > 0) && !(isContiguous && isAll)) await this.#name(outcome);
    const isWhole = [...keys.values()].every(({ rows, records }) => rows === found.rows && records === found.values);
    if (found.values === 0 || (keys.size === VALUES_PER_EVENT && isWhole)) return;
    this.#totals.incomplete += 1;
    this.#note(`${id} has an event without exactly its ${VALUES_PER_EVENT} rows`);
  }

  #checkRollup(
    id: string,
    raw: ReadonlyMap<string, KeyRows>,
    { at, rollup }: { readonly at: number; readonly rollup: ByDevice<RollupRows> },
  ): void {
    const rolled = rollup.get(id) ?? new Map<string, RollupRows>();
    const keys = new Set([...raw.keys(), ...rolled.keys()]);
    const wrong = [...keys].filter((key) => !agree(raw.get(key), rolled.get(key)));
    if (wrong.length === 0) return;
    this.#totals.wrongRollups += 1;
    this.#note(`${ROLLUPS[at] ?? ''} of ${id} is not the sum of its rows: ${wrong.join(', ')}`);
  }

  /** Reads the numbers one by one and says which are missing, and which nobody sent. */
  async #name({ id, acknowledged, sent }: DeviceOutcome): Promise<void> {
    const result = await this.#client.query({
      query: `SELECT DISTINCT toUInt32(value) AS seq FROM telemetry
              WHERE tenant = 'default' AND device_id = {device:String} AND key = 'seq' ORDER BY seq`,
      query_params: { device: id },
      format: 'JSONEachRow',
    });
    const seqs = (await result.json<{ seq: number }>()).map(({ seq }) => seq);
    const missing = missingRanges(seqs, { first: FIRST_SEQ, end: FIRST_SEQ + acknowledged });
    const lost = missing.reduce((sum, { first, end }) => sum + end - first, 0);
    const foreign = seqs.filter((seq) => seq < FIRST_SEQ || seq >= FIRST_SEQ + sent).length;
    this.#totals.lost += lost;
    this.#totals.foreign += foreign;
    if (lost > 0) this.#note(`${id} misses ${lost} acknowledged events: ${missing.map(rangeText).join(', ')}`);
    if (foreign > 0) this.#note(`${id} has ${foreign} events that it never sent`);
  }

  async #repeatedOf(id: string): Promise<string> {
    const result = await this.#client.query({
      query: `SELECT toUInt32(value) AS seq, count() AS times FROM telemetry
              WHERE tenant = 'default' AND device_id = {device:String} AND key = 'seq'
              GROUP BY seq HAVING times > 1 ORDER BY seq LIMIT 3`,
      query_params: { device: id },
      format: 'JSONEachRow',
    });
    const repeated = await result.json<{ seq: number; times: number }>();
    return repeated.map(({ seq, times }) => `${seq} is stored ${times} times`).join(', ');
  }

  #readRaw(range: IdRange): Promise<ByDevice<KeyRows>> {
    return this.#read<KeyRows>(
      `SELECT device_id, key, toUInt32(count()) AS rows, toUInt32(uniqExact(value)) AS values,
         toUInt32(uniqExact(log_offset)) AS records, min(value) AS lowest, max(value) AS highest, sum(value) AS sum
       FROM telemetry WHERE tenant = 'default' AND device_id BETWEEN {first:String} AND {last:String} GROUP BY device_id, key`,
      range,
    );
  }

  #readRollup(table: (typeof ROLLUPS)[number], range: IdRange): Promise<ByDevice<RollupRows>> {
    return this.#read<RollupRows>(
      `SELECT device_id, key, toUInt32(sum(part.count)) AS rows, sum(part.sum) AS sum FROM ${table} AS part
       WHERE tenant = 'default' AND device_id BETWEEN {first:String} AND {last:String} GROUP BY device_id, key`,
      range,
    );
  }

  async #read<Rows>(query: string, range: IdRange): Promise<ByDevice<Rows>> {
    const result = await this.#client.query({ query, query_params: { ...range }, format: 'JSONEachRow' });
    const byDevice = new Map<string, Map<string, Rows>>();
    for (const row of await result.json<Rows & { device_id: string; key: string }>()) {
      const keys = byDevice.get(row.device_id) ?? new Map<string, Rows>();
      keys.set(row.key, row);
      byDevice.set(row.device_id, keys);
    }
    return byDevice;
  }

  #note(example: string): void {
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(example);
  }
}

function agree(raw: KeyRows | undefined, rolled: RollupRows | undefined): boolean {
  if (raw === undefined || rolled === undefined) return false;
  return raw.rows === rolled.rows && Math.abs(raw.sum - rolled.sum) <= Math.abs(raw.sum) * SUM_TOLERANCE;
}
