import { type ClickHouse, ClickHouseWriterLedger } from '@breakwater/adapter-clickhouse';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';

import type { TelemetryWriter } from '../src/telemetry-writer.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import {
  expectedRows,
  LogUnderTest,
  openClickHouse,
  query,
  rollupDifferences,
  storedRows,
  writerOn,
} from './writer-bench.ts';

export const TIMEOUT_MS = 120_000;
/** `npm test` changes from one division to two and back, `npm run test:writers` between others too. */
export const isLongForm = process.env['WRITER_FAULTS'] === 'all';

/** Slow enough for small rounds to follow it, on a machine that does much else too. */
const LOAD_PAUSE_MS = 100;

type WriterArguments = Parameters<typeof writerOn> extends [unknown, ...infer Rest] ? Rest : never;

/** A log, an embedded ClickHouse and a proxy before it, and every writer that a test starts and its end stops. */
export class WriterSuite {
  embedded!: EmbeddedProcess;
  proxy!: CuttingProxy;
  clickhouse!: ClickHouse;
  throughProxy!: ClickHouse;
  log = new LogUnderTest(4);
  readonly #writers: TelemetryWriter[] = [];

  async open(): Promise<void> {
    this.embedded = await EmbeddedProcess.start();
    this.proxy = await CuttingProxy.start(() => this.embedded.port);
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.embedded.remove();
  }

  async beginTest(): Promise<void> {
    this.clickhouse = openClickHouse(this.embedded.url);
    this.throughProxy = openClickHouse(this.proxy.url);
    await this.clickhouse.client.command({ query: 'DROP DATABASE IF EXISTS breakwater' });
    this.log = new LogUnderTest(4);
  }

  async endTest(): Promise<void> {
    this.proxy.onInsertReply = () => 'pass';
    await Promise.all(this.#writers.splice(0).map((writer) => writer.stop()));
    await this.clickhouse.client.close();
    await this.throughProxy.client.close();
  }

  /**
   * Kills ClickHouse where it is about to answer an insert through the proxy, so many times, and starts it again.
   * Answers how often it did. What is answered while it starts is cut off too: on a slow machine a writer asks again
   * before the start is known to have ended, and must not have it killed in the middle.
   */
  killAtReplies(times: number): () => number {
    let kills = 0;
    let restarting: Promise<void> | null = null;
    const restart = async (): Promise<void> => {
      await this.embedded.kill('SIGKILL');
      await this.embedded.startAgain();
    };
    this.proxy.onInsertReply = async () => {
      if (restarting === null && kills >= times) return 'pass';
      if (restarting === null) {
        kills += 1;
        restarting = restart().finally(() => (restarting = null));
      }
      await restarting;
      return 'cut';
    };
    return () => kills;
  }

  /** `ended` tells how the writer's run ended, and never rejects. */
  start(...args: WriterArguments) {
    const writer = writerOn(this.log, ...args);
    this.#writers.push(writer);
    const ended = writer.run().then(
      () => null,
      (error: unknown) => error as Error & { code?: string },
    );
    return { writer, ended };
  }

  /** Appends to all partitions until it is told to stop. */
  load(nowMs: number): { stop(): Promise<void> } {
    let isOn = true;
    const running = (async () => {
      while (isOn) {
        await this.log.appendMany(8, (index) => nowMs - index * 1_000);
        await new Promise((resolve) => setTimeout(resolve, LOAD_PAUSE_MS));
      }
    })();
    return {
      stop: async () => {
        isOn = false;
        await running;
      },
    };
  }

  async expectExact(): Promise<void> {
    expect(await storedRows(this.clickhouse)).toEqual(expectedRows(this.log));
    expect(await rollupDifferences(this.clickhouse)).toEqual([]);
    const unsettled = `SELECT scope, number FROM breakwater.ingest_plans
      GROUP BY scope, number HAVING countDistinct(state) != 2`;
    expect(await query(this.clickhouse, unsettled)).toEqual([]);
    await this.expectTenantsCounted();
  }

  /** All records are of one tenant. */
  async expectTenantsCounted(): Promise<void> {
    for (const { counts, tenants } of await new ClickHouseWriterLedger(this.clickhouse).readWriterLedger()) {
      expect(Object.values(tenants ?? {})).toEqual([counts]);
    }
  }
}

/** A suite whose tests each begin with an empty ClickHouse and an empty log. */
export function writerSuite(): WriterSuite {
  const suite = new WriterSuite();
  beforeAll(() => suite.open(), TIMEOUT_MS);
  beforeEach(() => suite.beginTest());
  afterEach(() => suite.endTest(), TIMEOUT_MS);
  afterAll(() => suite.close());
  return suite;
}
