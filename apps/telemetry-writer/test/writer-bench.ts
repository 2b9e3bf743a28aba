import { connectClickHouse, WHOLE_LANE, type ClickHouse } from '@breakwater/adapter-clickhouse';
import { MemoryEventLog } from '@breakwater/adapter-memory';
import type {
  DeviceId,
  Incarnation,
  LogId,
  Offset,
  Partition,
  SessionEpoch,
  TelemetryPoint,
  TenantId,
} from '@breakwater/twin';
import type { Clock, EventLog } from '@breakwater/twin-runtime';
import { encodeRecord, type RecordMessage } from '@breakwater/wire';
import { createLogger, Metrics } from '@breakwater/observability';

import { clickHouseStores } from '../src/clickhouse-stores.ts';
import { TelemetryWriter, type TelemetryWriterOptions, type WriterStores } from '../src/telemetry-writer.ts';
import { writerMetrics } from '../src/writer-metrics.ts';

export const DAY_MS = 86_400_000;
export const TENANT = 'default' as TenantId;
const STEP_MS = 10;

/** The machine's time; a sleep ends early when its signal does. */
const machineClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const timer = setTimeout(resolve, durationMs);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};

/** One row as the writer must have stored it. */
export interface ExpectedRow {
  readonly partition: number;
  readonly offset: number;
  readonly rowIndex: number;
  readonly device: string;
  readonly key: string;
  readonly tsMs: number;
  readonly value: string;
}

/** A log, in memory unless another is given, and what its records must become in ClickHouse. */
export class LogUnderTest {
  readonly log: EventLog;
  readonly rows: ExpectedRow[] = [];
  records = 0;
  readonly #seqs = new Map<number, number>();
  readonly #partitionCount: number;

  constructor(partitionCount: number, log: string | EventLog = 'log-1') {
    this.#partitionCount = partitionCount;
    this.log = typeof log === 'string' ? new MemoryEventLog({ clock: machineClock, logId: log as LogId }) : log;
  }

  /** Appends one frame to a partition. */
  async append(partition: number, messages: readonly RecordMessage[], receivedAtMs = Date.now()): Promise<void> {
    const device = `device-${partition}`;
    const body = messages
      .map((message, index) =>
        encodeRecord({
          tenant: TENANT,
          device: device as DeviceId,
          incarnation: 1 as Incarnation,
          sessionEpoch: 1 as SessionEpoch,
          packetId: 1,
          digest: 7,
          messageId: `m${partition}-${this.records + index}`,
          receivedAtMs,
          traceparent: '',
          message,
        }),
      )
      .join('\n');
    const seq = (this.#seqs.get(partition) ?? 0) + 1;
    this.#seqs.set(partition, seq);
    const [result] = await this.log.append([
      {
        lane: 'telemetry',
        partition: partition as Partition,
        producerId: 'test',
        seq,
        body,
        recordCount: messages.length,
      },
    ]);
    if (result?.kind !== 'appended') throw new Error(`append: ${JSON.stringify(result)}`);
    messages.forEach((message, index) => this.#expect(partition, result.firstOffset + index, { device, message }));
    this.records += messages.length;
  }

  /** One record with numbers in each partition, `count` times. */
  async appendMany(count: number, tsMs: (index: number) => number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const values = new Map<string, number | boolean | string>([
        ['t', Math.round(Math.random() * 1e6) / 100],
        ['n', index],
        ['on', index % 2 === 0],
        ['mode', `m${index % 3}`],
      ]);
      const point: TelemetryPoint = { tsMs: tsMs(index), values };
      await this.append(index % this.#partitionCount, [{ kind: 'telemetry', points: [point] }]);
    }
  }

  /** Takes over the records of another log, as a restored backup has them; they are not expected as its rows. */
  async copyFrom(other: LogUnderTest): Promise<void> {
    for (let partition = 0; partition < this.#partitionCount; partition += 1) {
      const request = { lane: 'telemetry', partition: partition as Partition, from: 0 as Offset } as const;
      const [batch] = await other.log.read([request], { framesMaxPerPartition: 10_000, waitMs: 0 });
      for (const { body, firstOffset, lastOffset } of batch?.frames ?? []) {
        const frame = { producerId: 'backup', seq: firstOffset + 1, body: body.toString('utf8') };
        await this.log.append([{ ...request, ...frame, recordCount: lastOffset - firstOffset + 1 }]);
        this.records += lastOffset - firstOffset + 1;
      }
    }
  }

  async end(partition: number): Promise<Offset> {
    return (await this.log.bounds('telemetry', partition as Partition)).end;
  }

  #expect(
    partition: number,
    offset: number,
    record: { readonly device: string; readonly message: RecordMessage },
  ): void {
    if (record.message.kind !== 'telemetry') return;
    let rowIndex = 0;
    for (const point of record.message.points) {
      const order = ['number', 'boolean', 'string', 'object'];
      const values = [...point.values].toSorted(([, a], [, b]) => order.indexOf(typeof a) - order.indexOf(typeof b));
      for (const [key, value] of values) {
        const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
        this.rows.push({ partition, offset, rowIndex, device: record.device, key, tsMs: point.tsMs, value: shown });
        rowIndex += 1;
      }
    }
  }
}

export function openClickHouse(url: string): ClickHouse {
  return connectClickHouse({ url, user: 'default', password: '', database: 'breakwater', requestTimeoutMs: 20_000 });
}

export function writerOn(
  log: LogUnderTest,
  clickhouse: ClickHouse,
  options: Partial<Omit<TelemetryWriterOptions, 'stores'>> & {
    readonly stores?: (real: WriterStores) => WriterStores;
  } = {},
): TelemetryWriter {
  const { stores, ...rest } = options;
  const range = rest.range ?? WHOLE_LANE;
  const real = clickHouseStores(clickhouse, { range, partitionCount: 4 });
  return new TelemetryWriter({
    log: log.log,
    stores: stores === undefined ? real : stores(real),
    logOrigins: async () => [],
    clock: machineClock,
    logger: createLogger('telemetry-writer', process.env['LOG_LEVEL'] ?? 'silent'),
    metrics: writerMetrics(new Metrics('telemetry-writer')).ofRange(range.index),
    owner: `writer-${Math.random()}`,
    partitionCount: 4,
    range,
    limits: { recordsMax: 5_000, bytesMax: 4_000_000, daysMax: 200 },
    framesMaxPerRead: 64,
    roundIntervalMs: 20,
    roundIntervalMaxMs: 20,
    backoffMaxMs: 200,
    deadLettersPerDayMax: 10,
    windowBlocks: 10_000,
    ...rest,
  });
}

export async function until(
  what: () => string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`not in ${timeoutMs} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}

/** Waits until the positions of writers of several ranges are the end of the log in all partitions. */
export async function untilAllStored(writers: () => readonly TelemetryWriter[], log: LogUnderTest): Promise<void> {
  const what = () => `all are at the end; they say ${JSON.stringify(writers().map((writer) => writer.health()))}`;
  await until(what, async () => {
    const positions = new Map(writers().flatMap((writer) => [...writer.positions().positions]));
    for (let partition = 0; partition < 4; partition += 1) {
      if (positions.get(partition as Partition) !== (await log.end(partition))) return false;
    }
    return true;
  });
}

/** Waits until the writer's position is the end of the log in all partitions. */
export async function untilStored(writer: TelemetryWriter, log: LogUnderTest, partitionCount = 4): Promise<void> {
  const what = () => `the writer is at the end of the log; it says ${JSON.stringify(writer.health())}`;
  await until(what, async () => {
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const position = writer.positions().positions.get(partition as Partition);
      if (position !== (await log.end(partition))) return false;
    }
    return true;
  });
}

export async function query<Row>(clickhouse: ClickHouse, sql: string): Promise<Row[]> {
  const result = await clickhouse.client.query({ query: sql, format: 'JSONEachRow' });
  return result.json<Row>();
}

/** All stored rows, as text lines in one order, for a comparison row by row. */
export async function storedRows(clickhouse: ClickHouse, where = 'true'): Promise<string[]> {
  const rows = await query<{ line: string }>(
    clickhouse,
    `SELECT concat(toString(partition), ' ', toString(log_offset), ' ', toString(row_index), ' ', device_id, ' ', key, ' ',
       toString(toUnixTimestamp64Milli(ts)), ' ',
       multiIf(kind = 'num', toString(value), kind = 'bool', if(value = 1, 'true', 'false'), str)) AS line
     FROM breakwater.telemetry WHERE ${where} ORDER BY partition, log_offset, row_index`,
  );
  return rows.map(({ line }) => line);
}

export function expectedRows(log: LogUnderTest): string[] {
  return log.rows
    .toSorted((a, b) => a.partition - b.partition || a.offset - b.offset || a.rowIndex - b.rowIndex)
    .map((row) => `${row.partition} ${row.offset} ${row.rowIndex} ${row.device} ${row.key} ${row.tsMs} ${row.value}`);
}

/** Rollups against raw: every bucket's count, sum, least, greatest and last value. Answers the differences. */
export async function rollupDifferences(clickhouse: ClickHouse): Promise<unknown[]> {
  const differences: unknown[] = [];
  for (const [table, start] of [
    ['telemetry_1m', 'toStartOfMinute'],
    ['telemetry_1h', 'toStartOfHour'],
  ] as const) {
    const rolled = `SELECT device_id, key, toUnixTimestamp(ts) AS bucket, sum(count) AS n, round(sum(sum), 6) AS s,
      min(min) AS lo, max(max) AS hi, argMaxMerge(last) AS l
      FROM breakwater.${table} GROUP BY device_id, key, bucket`;
    const raw = `SELECT device_id, key, toUnixTimestamp(${start}(ts)) AS bucket, count() AS n, round(sum(value), 6) AS s,
      min(value) AS lo, max(value) AS hi, argMax(value, (ts, log_offset)) AS l
      FROM breakwater.telemetry WHERE kind IN ('num', 'bool') GROUP BY device_id, key, bucket`;
    differences.push(
      ...(await query(clickhouse, `SELECT '${table}' AS rollup, * FROM (${rolled} EXCEPT ${raw}) LIMIT 5`)),
    );
    differences.push(...(await query(clickhouse, `SELECT 'raw' AS rollup, * FROM (${raw} EXCEPT ${rolled}) LIMIT 5`)));
  }
  return differences;
}
