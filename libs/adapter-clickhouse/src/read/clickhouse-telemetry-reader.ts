import type { JsonObject, JsonValue, Partition, TwinCommand } from '@breakwater/twin';
import type {
  AggregateItem,
  AggregateQuery,
  CommandPage,
  CommandQuery,
  DeadLetterItem,
  DeadLetterQuery,
  EventItem,
  EventQuery,
  Page,
  StoredCounts,
  TelemetryItem,
  TelemetryQuery,
  TelemetryReader,
  TwinHistoryItem,
  TwinHistoryQuery,
} from '@breakwater/twin-runtime';

import type { ClickHouse } from '../connect-clickhouse.ts';
import { aggregateStatement } from './aggregate-statement.ts';
import { decodeCursor, encodeCursor } from './page-cursor.ts';
import { runRead } from './run-read.ts';

interface RawRow {
  readonly ts_ms: string;
  readonly key: string;
  readonly kind: 'num' | 'bool' | 'str' | 'json';
  readonly value: number;
  readonly str: string;
  readonly partition: number;
  readonly log_offset: string;
  readonly row_index: number;
}

interface HistoryRow {
  readonly ts_ms: string;
  readonly incarnation: string;
  readonly change_number: string;
  readonly version: string;
  readonly reported_version: string;
  readonly sections: readonly string[];
  readonly document: string;
}

/** Newest first; what has the same time is told apart by the row's own place in the log. */
const TELEMETRY = `SELECT toUnixTimestamp64Milli(ts) AS ts_ms, key, kind, value, str, partition, log_offset, row_index
FROM {database:Identifier}.telemetry
WHERE tenant = {tenant:String} AND device_id = {device:String}
  AND (empty({keys:Array(String)}) OR has({keys:Array(String)}, key))
  AND ts >= fromUnixTimestamp64Milli({from:Int64}) AND ts < fromUnixTimestamp64Milli({to:Int64})
  AND (ts, key, log_offset, row_index) <
      (fromUnixTimestamp64Milli({ts:Int64}), {key:String}, {offset:UInt64}, {index:UInt32})
ORDER BY ts DESC, key DESC, log_offset DESC, row_index DESC LIMIT {limit:UInt32}`;

const EVENTS = `SELECT toUnixTimestamp64Milli(ts) AS ts_ms, toUnixTimestamp64Milli(received_at) AS received_ms, name,
  data, message_id, log_offset
FROM {database:Identifier}.events
WHERE tenant = {tenant:String} AND device_id = {device:String} AND ({name:String} = '' OR name = {name:String})
  AND ts >= fromUnixTimestamp64Milli({from:Int64}) AND ts < fromUnixTimestamp64Milli({to:Int64})
  AND (ts, log_offset) < (fromUnixTimestamp64Milli({ts:Int64}), {offset:UInt64})
ORDER BY ts DESC, log_offset DESC LIMIT {limit:UInt32}`;

/** The last change says it all. Told twice, it is the same row twice, and grouped away. */
const COMMANDS = `SELECT last FROM (
  SELECT command_id, any(ordered_at) AS ordered, argMax(state, (ts, log_offset)) AS last_state,
    argMax(command, (ts, log_offset)) AS last
  FROM {database:Identifier}.command_history
  WHERE tenant = {tenant:String} AND device_id = {device:String}
    AND ({command:String} = '' OR command_id = {command:String})
  GROUP BY command_id
) WHERE ({state:String} = '' OR last_state = {state:String})
  AND (ordered, command_id) < (fromUnixTimestamp64Milli({ts:Int64}), {id:String})
ORDER BY ordered DESC, command_id DESC LIMIT {limit:UInt32}`;

const DEAD_LETTERS = `SELECT toUnixTimestamp64Milli(received_at) AS received_ms, device_id, code, detail, topic,
  payload_base64, sender, message_id, partition, log_offset
FROM {database:Identifier}.dead_letters
WHERE tenant = {tenant:String} AND ({device:String} = '' OR device_id = {device:String})
  AND (received_at, partition, log_offset) < (fromUnixTimestamp64Milli({ts:Int64}), {partition:UInt16}, {offset:UInt64})
ORDER BY received_at DESC, partition DESC, log_offset DESC LIMIT {limit:UInt32}`;

/** A change that was told twice stands there twice until its parts are merged. */
const TWIN_HISTORY = `SELECT toUnixTimestamp64Milli(ts) AS ts_ms, incarnation, change_number, version,
  reported_version, sections, document
FROM {database:Identifier}.twin_changes
WHERE tenant = {tenant:String} AND device_id = {device:String}
  AND ts >= fromUnixTimestamp64Milli({from:Int64}) AND ts < fromUnixTimestamp64Milli({to:Int64})
  AND (incarnation, change_number) < ({incarnation:UInt64}, {change:UInt64})
ORDER BY incarnation DESC, change_number DESC LIMIT 1 BY incarnation, change_number LIMIT {limit:UInt32}`;

const STORED_COUNTS = `SELECT partition, sum(n) AS rows, sum(r) AS records, sum(n) - sum(i) AS repeated,
  sum(e) AS events, sum(c) AS command_changes, sum(d) AS dead_letters
FROM (
  SELECT partition, count() AS n, uniqExact(log_id, log_offset) AS r, uniqExact(log_id, log_offset, row_index) AS i,
    0 AS e, 0 AS c, 0 AS d
  FROM {database:Identifier}.telemetry GROUP BY partition
  UNION ALL SELECT partition, 0, 0, 0, count(), 0, 0 FROM {database:Identifier}.events GROUP BY partition
  UNION ALL SELECT partition, 0, 0, 0, 0, count(), 0 FROM {database:Identifier}.command_history GROUP BY partition
  UNION ALL SELECT partition, 0, 0, 0, 0, 0, count() FROM {database:Identifier}.dead_letters GROUP BY partition
) GROUP BY partition ORDER BY partition`;

/** Later than every row, and within what DateTime64(3) can hold. */
const LATEST_MS = 4_102_444_800_000;
const LAST_KEY = '\u{10ffff}';
const OFFSET_MAX = Number.MAX_SAFE_INTEGER;
const INDEX_MAX = 0xffff_ffff;
const PARTITION_MAX = 0xffff;

/** Telemetry, events and dead letters, read from ClickHouse. */
export class ClickHouseTelemetryReader implements TelemetryReader {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  async readTelemetry(query: TelemetryQuery): Promise<Page<TelemetryItem>> {
    const [ts, key, offset, index] = query.cursor
      ? decodeCursor<readonly [number, string, number, number]>(query.cursor, ['number', 'string', 'number', 'number'])
      : [LATEST_MS, LAST_KEY, OFFSET_MAX, INDEX_MAX];
    const rows = await this.#read<RawRow>('reading telemetry', TELEMETRY, {
      ...rangeOf(query),
      keys: query.keys ?? [],
      limit: query.limit + 1,
      ts,
      key,
      offset,
      index,
    });
    return pageOf(rows, query.limit, {
      item: (row) => ({ tsMs: Number(row.ts_ms), key: row.key, value: valueOf(row) }),
      place: (row) => [Number(row.ts_ms), row.key, Number(row.log_offset), row.row_index],
    });
  }

  async readAggregated(query: AggregateQuery): Promise<Page<AggregateItem>> {
    const [ts, key] = query.cursor
      ? decodeCursor<readonly [number, string]>(query.cursor, ['number', 'string'])
      : [LATEST_MS, LAST_KEY];
    const rows = await this.#read<{ readonly ts_ms: string; readonly key: string; readonly value: number | string }>(
      'reading aggregated telemetry',
      aggregateStatement(query),
      { ...rangeOf(query), keys: query.keys ?? [], step: query.stepMs, limit: query.limit + 1, ts, key },
    );
    return pageOf(rows, query.limit, {
      item: (row) => ({ tsMs: Number(row.ts_ms), key: row.key, value: Number(row.value) }),
      place: (row) => [Number(row.ts_ms), row.key],
    });
  }

  async readEvents(query: EventQuery): Promise<Page<EventItem>> {
    const [ts, offset] = query.cursor
      ? decodeCursor<readonly [number, number]>(query.cursor, ['number', 'number'])
      : [LATEST_MS, OFFSET_MAX];
    const rows = await this.#read<{
      readonly ts_ms: string;
      readonly received_ms: string;
      readonly name: string;
      readonly data: string;
      readonly message_id: string;
      readonly log_offset: string;
    }>('reading events', EVENTS, { ...rangeOf(query), name: query.name ?? '', limit: query.limit + 1, ts, offset });
    return pageOf(rows, query.limit, {
      item: (row) => ({
        tsMs: Number(row.ts_ms),
        receivedAtMs: Number(row.received_ms),
        name: row.name,
        data: row.data === '' ? null : (JSON.parse(row.data) as JsonValue),
        messageId: row.message_id,
      }),
      place: (row) => [Number(row.ts_ms), Number(row.log_offset)],
    });
  }

  async readCommands(query: CommandQuery): Promise<CommandPage> {
    const { orderedAtMs, commandId } = query.after ?? { orderedAtMs: LATEST_MS, commandId: LAST_KEY };
    const rows = await this.#read<{ readonly last: string }>('reading commands', COMMANDS, {
      tenant: query.tenant,
      device: query.device,
      command: query.commandId ?? '',
      state: query.state ?? '',
      limit: query.limit + 1,
      ts: orderedAtMs,
      id: commandId,
    });
    const items = rows.slice(0, query.limit).map(({ last }) => JSON.parse(last) as TwinCommand);
    return { items, hasMore: rows.length > query.limit };
  }

  async readDeadLetters(query: DeadLetterQuery): Promise<Page<DeadLetterItem>> {
    const [ts, partition, offset] = query.cursor
      ? decodeCursor<readonly [number, number, number]>(query.cursor, ['number', 'number', 'number'])
      : [LATEST_MS, PARTITION_MAX, OFFSET_MAX];
    const rows = await this.#read<{
      readonly received_ms: string;
      readonly device_id: string;
      readonly code: string;
      readonly detail: string;
      readonly topic: string;
      readonly payload_base64: string;
      readonly sender: string;
      readonly message_id: string;
      readonly partition: number;
      readonly log_offset: string;
    }>('reading dead letters', DEAD_LETTERS, {
      tenant: query.tenant,
      device: query.device ?? '',
      limit: query.limit + 1,
      ts,
      partition,
      offset,
    });
    return pageOf(rows, query.limit, {
      item: (row) => ({
        receivedAtMs: Number(row.received_ms),
        device: row.device_id,
        code: row.code,
        detail: row.detail,
        topic: row.topic,
        payloadBase64: row.payload_base64,
        sender: row.sender,
        messageId: row.message_id,
      }),
      place: (row) => [Number(row.received_ms), row.partition, Number(row.log_offset)],
    });
  }

  async readTwinHistory(query: TwinHistoryQuery): Promise<Page<TwinHistoryItem>> {
    const [incarnation, change] = query.cursor
      ? decodeCursor<readonly [number, number]>(query.cursor, ['number', 'number'])
      : [OFFSET_MAX, OFFSET_MAX];
    const rows = await this.#read<HistoryRow>('reading the history of a twin', TWIN_HISTORY, {
      ...rangeOf(query),
      ...{ limit: query.limit + 1, incarnation, change },
    });
    return pageOf(rows, query.limit, {
      item: (row) => ({
        tsMs: Number(row.ts_ms),
        incarnation: Number(row.incarnation),
        changeNumber: Number(row.change_number),
        version: Number(row.version),
        reportedVersion: Number(row.reported_version),
        sections: row.sections,
        document: JSON.parse(row.document) as JsonObject,
      }),
      place: (row) => [Number(row.incarnation), Number(row.change_number)],
    });
  }

  async readStoredCounts(): Promise<readonly StoredCounts[]> {
    const rows = await this.#read<Readonly<Record<string, string | number>>>('counting rows', STORED_COUNTS, {});
    return rows.map((row) => ({
      partition: Number(row['partition']) as Partition,
      rows: Number(row['rows']),
      records: Number(row['records']),
      duplicateRows: Number(row['repeated']),
      events: Number(row['events']),
      commandChanges: Number(row['command_changes']),
      deadLetters: Number(row['dead_letters']),
    }));
  }

  #read<Row>(doing: string, query: string, parameters: Readonly<Record<string, unknown>>): Promise<readonly Row[]> {
    return runRead<Row>(this.#clickhouse, { doing, query, parameters });
  }
}

function rangeOf(
  query: Pick<TelemetryQuery, 'tenant' | 'device' | 'fromMs' | 'toMs'>,
): Readonly<Record<string, unknown>> {
  const clamp = (ms: number) => Math.min(LATEST_MS, Math.max(0, Math.trunc(ms)));
  return { tenant: query.tenant, device: query.device, from: clamp(query.fromMs), to: clamp(query.toMs) };
}

/** One row more than the page was asked for: it says whether there is a next page. */
function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  as: { readonly item: (row: Row) => Item; readonly place: (row: Row) => readonly (string | number)[] },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(as.item),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(as.place(last)) : null,
  };
}

function valueOf(row: RawRow): JsonValue {
  if (row.kind === 'num') return row.value;
  if (row.kind === 'bool') return row.value === 1;
  return row.kind === 'str' ? row.str : (JSON.parse(row.str) as JsonValue);
}
