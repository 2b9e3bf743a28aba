import { MemoryEventLog, MemoryTwinStore } from '@breakwater/adapter-memory';
import { createLogger, Metrics } from '@breakwater/observability';
import type { LogId, Partition } from '@breakwater/twin';
import type { WriterLedgerEntry } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import { MemoryTelemetry } from '../../test/memory-telemetry.ts';
import type { ApiOptions } from '../api-ports.ts';
import { LedgerChecker } from './ledger-checker.ts';

const LOG = 'log-1' as LogId;
const OPTIONS = { partitionCount: 1, ledgerAuditIntervalMs: 60_000, ledgerAuditPlans: 16 } as ApiOptions;

function checkerAt(time: { nowMs: number }) {
  const clock = { nowMs: () => time.nowMs, sleep: () => Promise.resolve() };
  const log = new MemoryEventLog({ clock, logId: LOG });
  const telemetry = new MemoryTelemetry();
  const metrics = new Metrics('api');
  const logger = createLogger('api', 'silent');
  const checker = new LedgerChecker(clock, log, new MemoryTwinStore(), telemetry, OPTIONS, metrics, logger);
  const gauge = async (partition: string): Promise<string | undefined> =>
    new RegExp(`ledger_imbalance\\{[^}]*consumer="writer"[^}]*partition="${partition}"[^}]*\\} (\\S+)`).exec(
      await metrics.text(),
    )?.[1];
  return { checker, telemetry, gauge };
}

const WRONG: WriterLedgerEntry = {
  partition: 0 as Partition,
  position: 0,
  counts: { stored: 2, nothingToStore: 0, dead: 0 },
  tenants: null,
  openPlans: 0,
  logId: LOG,
  began: 0,
};

describe('the check of the ledger', () => {
  it('tells an imbalance at the third check that finds it, and takes it back when it is over', async () => {
    const { checker, telemetry, gauge } = checkerAt({ nowMs: 1_000 });
    telemetry.writerEntries = [WRONG];
    await checker.check();
    await checker.check();
    expect([checker.lasting, await gauge('0')]).toEqual([[], '0']);
    await checker.check();
    expect(checker.lasting).toMatchObject([{ kind: 'outcomes', consumer: 'writer', partition: 0, records: 2 }]);
    expect(await gauge('0')).toBe('2');
    telemetry.writerEntries = [];
    await checker.check();
    expect([checker.lasting, await gauge('0')]).toEqual([[], '0']);
  });

  it('keeps what it knows of the writer while that cannot be asked', async () => {
    const { checker, telemetry } = checkerAt({ nowMs: 1_000 });
    telemetry.writerEntries = [WRONG];
    for (let at = 0; at < 3; at += 1) await checker.check();
    telemetry.isAway = true;
    await checker.check();
    expect(checker.lasting).toHaveLength(1);
  });

  it('counts the rows themselves once in a while, whatever the counters say', async () => {
    const time = { nowMs: 1_000 };
    const { checker, telemetry, gauge } = checkerAt(time);
    telemetry.audit = { plans: { first: 3, last: 9 }, recordsMissing: 1, repeatedRows: 5 };
    for (let at = 0; at < 3; at += 1) await checker.check();
    expect(checker.lasting).toMatchObject([
      { kind: 'rowsMissing', partition: null, records: -1 },
      { kind: 'rowsRepeated', partition: null, records: 5 },
    ]);
    expect(await gauge('all')).toBe('5');
    telemetry.audit = { plans: { first: 9, last: 12 }, recordsMissing: 0, repeatedRows: 0 };
    await checker.check();
    expect(checker.lasting).toHaveLength(2);
    time.nowMs += 60_000;
    await checker.check();
    expect(checker.lasting).toEqual([]);
  });
});
