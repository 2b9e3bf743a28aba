import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import {
  DAY_MS, expectedRows, LogUnderTest, openClickHouse, query, rollupDifferences, storedRows, untilStored, writerOn,
} from './writer-bench.ts';

const TIMEOUT_MS = 120_000;

describe('the telemetry writer', () => {
  let embedded: EmbeddedProcess;

  beforeAll(async () => {
    embedded = await EmbeddedProcess.start();
  }, TIMEOUT_MS);

  afterAll(async () => embedded.remove());

  afterEach(async () => {
    const clickhouse = openClickHouse(embedded.url);
    await clickhouse.client.command({ query: 'DROP DATABASE IF EXISTS breakwater' });
    await clickhouse.client.close();
  });

  it('stores each record once, in raw and in rollups', async () => {
    const clickhouse = openClickHouse(embedded.url);
    const log = new LogUnderTest(4);
    const nowMs = Date.now();
    await log.appendMany(400, (index) => nowMs - index * 1_000);
    const writer = writerOn(log, clickhouse);
    const running = writer.run();
    await untilStored(writer, log);
    await log.appendMany(100, (index) => nowMs - index * DAY_MS * 0.1);
    await untilStored(writer, log);
    await writer.stop();
    await running;
    expect(await storedRows(clickhouse)).toEqual(expectedRows(log));
    expect(await rollupDifferences(clickhouse)).toEqual([]);
    expect(await query(clickhouse, 'SELECT count() AS open FROM breakwater.ingest_plans GROUP BY number HAVING open != 2')).toEqual([]);
    await clickhouse.client.close();
  }, TIMEOUT_MS);
});
