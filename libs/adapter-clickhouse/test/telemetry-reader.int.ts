import type { DeviceId, LogId, TenantId } from '@breakwater/twin';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import {
  ClickHouseTelemetryReader,
  ClickHouseWriterLedger,
  connectClickHouse,
  INSERT_SETTINGS,
  migrateClickHouse,
  PlanStore,
  RecordSink,
  type ClickHouse,
  type IngestPlan,
} from '@breakwater/adapter-clickhouse';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const TIMEOUT_MS = 120_000;
const DAY = Math.floor(Date.now() / 86_400_000) - 1;
const START_MS = DAY * 86_400_000;
const TENANT = 'default' as TenantId;
const DEVICE = "it's \\ a device" as DeviceId;
const RANGE = { tenant: TENANT, device: DEVICE, fromMs: START_MS, toMs: START_MS + 86_400_000 };
const HOUR_MS = 3_600_000;

describe('what was stored', () => {
  let embedded: EmbeddedProcess;
  let clickhouse: ClickHouse;
  let reader: ClickHouseTelemetryReader;
  let plan: IngestPlan;

  beforeAll(async () => {
    embedded = await EmbeddedProcess.start();
    clickhouse = connectClickHouse({ url: embedded.url, user: 'default', password: '', database: 'breakwater' });
    expect(await migrateClickHouse(clickhouse)).toEqual([
      '0001-telemetry',
      '0002-ingest-plans',
      '0003-command-history',
      '0004-fewer-merges',
      '0005-plan-tenants',
      '0006-twin-history',
      '0007-twin-snapshots',
      '0009-change-feeds',
      '0010-writer-ranges',
      '0011-even-merges',
    ]);
    expect(await migrateClickHouse(clickhouse)).toEqual([]);
    reader = new ClickHouseTelemetryReader(clickhouse);
    const epoch = await new PlanStore(clickhouse).takeEpoch('test');
    const lines = recordLines(epoch);
    plan = {
      scope: 'telemetry',
      number: 1,
      epoch,
      owner: 'test',
      logId: 'log-1' as LogId,
      records: lines.length,
      digest: '',
      keptDeadLetters: {},
      settings: INSERT_SETTINGS,
      blockMark: 0,
      tenants: [{ partition: 3, tenant: 'acme', stored: 1, nothingToStore: 0, dead: 1 }],
      tenantTotals: [{ partition: 3, tenant: 'acme', stored: 5, nothingToStore: 1, dead: 1 }],
      days: [{ day: DAY, lines: lines.length }],
      partitions: [{ partition: 3, from: 0, to: lines.length, stored: lines.length - 2, nothingToStore: 1, dead: 1 }],
    };
    const plans = new PlanStore(clickhouse);
    await plans.open(plan);
    await new RecordSink(clickhouse).insertDay(plan, DAY, Buffer.from(lines.join('\n')));
  }, TIMEOUT_MS);

  afterAll(async () => {
    await clickhouse.client.close();
    await embedded.remove();
  });

  it.each(['telemetry', 'telemetry_1m', 'telemetry_1h', 'events', 'ingest_plans'])(
    'is merged with rows of its age in %s',
    async (name) => {
      const result = await clickhouse.client.query({
        query: 'SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {name:String}',
        query_params: { database: clickhouse.database, name },
        format: 'JSONEachRow',
      });
      const [table] = await result.json<{ engine_full: string }>();
      expect(table?.engine_full).toContain('merge_selector_base = 45');
      expect(table?.engine_full).toContain('remove_small_parts_at_right = 0');
    },
  );

  it('counts in the ledger once its plan is closed', async () => {
    const ledger = new ClickHouseWriterLedger(clickhouse);
    const ofLog = { partition: 3, logId: plan.logId, began: 0 };
    const nothing = { stored: 0, nothingToStore: 0, dead: 0 };
    const open = { ...ofLog, position: 0, counts: nothing, tenants: {}, openPlans: 1 };
    expect(await ledger.readWriterLedger()).toEqual([open]);
    expect(await ledger.auditNewest(plan.logId, 16)).toEqual({ plans: null, recordsMissing: 0, repeatedRows: 0 });
    await new PlanStore(clickhouse).close(plan);
    const { stored, nothingToStore, dead, to } = plan.partitions[0] ?? { stored: 0, nothingToStore: 0, dead: 0, to: 0 };
    expect(await ledger.readWriterLedger()).toEqual([
      {
        ...{ ...ofLog, position: to, counts: { stored, nothingToStore, dead }, openPlans: 0 },
        tenants: { acme: { stored: 5, nothingToStore: 1, dead: 1 } },
      },
    ]);
  });

  it('is read newest first, page by page, with values of every type', async () => {
    const all = await reader.readTelemetry({ ...RANGE, limit: 1_000 });
    expect(all.nextCursor).toBeNull();
    expect(all.items).toHaveLength(120 + 3);
    expect(all.items.slice(-4)).toEqual([
      { tsMs: START_MS, key: 't', value: 0 },
      { tsMs: START_MS, key: 'state', value: 'ümlaut "x"' },
      { tsMs: START_MS, key: 'on', value: true },
      { tsMs: START_MS, key: 'list', value: [1, { a: null }] },
    ]);
    const paged = [];
    let cursor: string | null = null;
    do {
      const page = await reader.readTelemetry({ ...RANGE, limit: 7, cursor });
      paged.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(paged).toEqual(all.items);
    expect((await reader.readTelemetry({ ...RANGE, keys: ['on'], limit: 9 })).items).toEqual([
      { tsMs: START_MS, key: 'on', value: true },
    ]);
    expect((await reader.readTelemetry({ ...RANGE, keys: ['list'], limit: 9 })).items[0]?.value).toEqual([
      1,
      { a: null },
    ]);
  });

  it.each([
    [30_000, 'telemetry'],
    [60_000, 'telemetry_1m'],
    [HOUR_MS, 'telemetry_1h'],
  ])('is aggregated in steps of %s ms', async (stepMs) => {
    const query = { ...RANGE, keys: ['t'], stepMs, limit: 1_000 };
    const values = Array.from({ length: 120 }, (_, index) => ({ tsMs: START_MS + index * 60_000, value: index }));
    const buckets = Map.groupBy(values, ({ tsMs }) => Math.floor(tsMs / stepMs) * stepMs);
    for (const [agg, of] of Object.entries(AGGREGATES)) {
      const { items } = await reader.readAggregated({ ...query, agg: agg as keyof typeof AGGREGATES });
      const wanted = [...buckets].map(([tsMs, points]) => ({
        tsMs,
        key: 't',
        value: of(points.map(({ value }) => value)),
      }));
      expect(items).toEqual(wanted.toReversed());
    }
    const first = await reader.readAggregated({ ...query, agg: 'sum', limit: 1 });
    const second = await reader.readAggregated({ ...query, agg: 'sum', limit: 1, cursor: first.nextCursor });
    expect(second.items[0]?.tsMs).toBeLessThan(first.items[0]?.tsMs ?? 0);
  });

  it('has events and dead letters with what was sent', async () => {
    const events = await reader.readEvents({ ...RANGE, limit: 10 });
    expect(events.items).toEqual([
      { tsMs: START_MS + 5, receivedAtMs: START_MS, name: 'door', data: { open: true }, messageId: 'e1' },
    ]);
    const { items } = await reader.readDeadLetters({ tenant: TENANT, limit: 10 });
    expect(items).toEqual([
      {
        receivedAtMs: START_MS,
        device: DEVICE,
        code: 'PAYLOAD_MALFORMED',
        detail: 'no JSON',
        topic: 'v1/devices/me/telemetry',
        payloadBase64: 'AAE=',
        sender: 'mqtt',
        messageId: '',
      },
    ]);
    expect(await reader.readStoredCounts()).toEqual([
      { partition: 3, rows: 123, records: 120, duplicateRows: 0, events: 1, commandChanges: 3, deadLetters: 1 },
    ]);
  });

  it('has each command as it was after its last change', async () => {
    const ofDevice = { tenant: TENANT, device: DEVICE };
    const { items } = await reader.readCommands({ ...ofDevice, limit: 10 });
    expect(items).toEqual([commandOf('c2', 'QUEUED', 0, 7), commandOf('c1', 'SUCCEEDED', 1, 3)]);
    const first = await reader.readCommands({ ...ofDevice, limit: 1 });
    expect(first).toEqual({ items: items.slice(0, 1), hasMore: true });
    const second = await reader.readCommands({ ...ofDevice, limit: 1, after: items[0]! });
    expect(second).toEqual({ items: items.slice(1), hasMore: false });
    expect((await reader.readCommands({ ...ofDevice, commandId: 'c1', limit: 2 })).items).toEqual(items.slice(1));
    expect((await reader.readCommands({ ...ofDevice, state: 'QUEUED', limit: 2 })).items).toEqual(items.slice(0, 1));
    expect((await reader.readCommands({ ...ofDevice, device: 'other' as DeviceId, limit: 2 })).items).toEqual([]);
  });

  it('refuses a cursor that it did not give', async () => {
    for (const cursor of [
      'x',
      '%',
      Buffer.from('[1]').toString('base64url'),
      Buffer.from('{}').toString('base64url'),
    ]) {
      await expect(reader.readTelemetry({ ...RANGE, limit: 1, cursor })).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
      });
    }
  });

  it('takes whatever stands in a query as data', async () => {
    for (const hostile of ["'; DROP TABLE breakwater.telemetry; --", '\0', '{x:String}', '\\', '\t\n']) {
      const query = { ...RANGE, device: hostile as DeviceId, keys: [hostile], limit: 5 };
      expect((await reader.readTelemetry(query)).items).toEqual([]);
    }
    expect((await reader.readStoredCounts())[0]?.rows).toBe(123);
  });
});

const AGGREGATES = {
  count: (values: readonly number[]) => values.length,
  sum: (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0),
  avg: (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length,
  min: (values: readonly number[]) => Math.min(...values),
  max: (values: readonly number[]) => Math.max(...values),
  last: (values: readonly number[]) => values.at(-1) as number,
};

function commandOf(commandId: string, state: string, dispatches: number, orderedAfterMs: number): object {
  const orderedAtMs = START_MS + orderedAfterMs;
  return {
    commandId,
    method: 'reboot',
    params: { 'ü "x"': 1.5 },
    state,
    orderedAtMs,
    deadlineMs: orderedAtMs,
    dispatches,
  };
}

/** 120 numbers a minute apart, the first with values of other types; an event and a dead letter. */
function recordLines(epoch: number): string[] {
  const line = (offset: number, rest: object) =>
    JSON.stringify({
      e: epoch,
      lid: 'log-1',
      pt: 3,
      o: offset,
      v: 1,
      tenant: TENANT,
      device: DEVICE,
      id: '',
      ra: START_MS,
      ...rest,
    });
  const others = { s: { state: 'ümlaut "x"' }, b: { on: true }, j: { list: '[1,{"a":null}]' } };
  const numbers = Array.from({ length: 120 }, (_, index) =>
    line(index, {
      k: 'telemetry',
      p: [{ ts: START_MS + index * 60_000, n: { t: index }, ...(index === 0 ? others : {}) }],
    }),
  );
  const command = (offset: number, now: object, afterMs: number) =>
    line(offset, { k: 'commandRecorded', ra: START_MS + afterMs, data: { tsMs: START_MS + afterMs, command: now } });
  return [
    ...numbers,
    line(120, { k: 'telemetry', p: [] }),
    line(121, { k: 'event', id: 'e1', data: { name: 'door', tsMs: START_MS + 5, data: { open: true } } }),
    command(123, commandOf('c1', 'QUEUED', 0, 3), 10),
    command(124, commandOf('c1', 'SUCCEEDED', 1, 3), 20),
    command(125, commandOf('c2', 'QUEUED', 0, 7), 15),
    line(122, {
      k: 'deadLetter',
      data: {
        code: 'PAYLOAD_MALFORMED',
        detail: 'no JSON',
        topic: 'v1/devices/me/telemetry',
        payloadBase64: 'AAE=',
        sender: 'mqtt',
      },
    }),
  ];
}
