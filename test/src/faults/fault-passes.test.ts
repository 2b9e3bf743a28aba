import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { FaultResult } from './fault-case.ts';
import { passesOf, passesTable, withTable } from './fault-passes.ts';
import { appendRun, readRuns } from './fault-record.ts';
import { withoutFigures } from './fault-table.ts';

const FULL = { log: 'redis', eventsPerSecond: 5_000 };

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'breakwater-record-'));
  path = join(folder, 'faults.jsonl');
});

afterEach(() => rmSync(folder, { recursive: true }));

function passed(name: string, figures: Partial<FaultResult> = {}): FaultResult {
  return { ...withoutFigures(name, 'passed'), acknowledged: 80_000, ...figures };
}

describe('the record of fault runs', () => {
  it('adds up over runs, by load and by log', () => {
    appendRun(path, passed('kill-api', { takeoverMs: 500, memory: 'gateway 300/600 MB' }), FULL);
    appendRun(path, passed('kill-api', { silentMs: 900, memory: 'redis 700/768 MB' }), FULL);
    appendRun(path, passed('kill-api', { takeoverMs: 700 }), { ...FULL, eventsPerSecond: 1_500 });
    appendRun(path, passed('kill-api'), { ...FULL, log: 'kafka' });
    appendRun(path, passed('commands'), { log: 'redis', eventsPerSecond: null });
    appendRun(path, { ...passed('kill-api', { takeoverMs: 90_000 }), verdict: 'failed', problems: ['lost'] }, FULL);
    const names = ['kill-api', 'poison', 'commands'];
    const rows = passesOf(readRuns(path), { names, log: 'redis', eventsPerSecond: 5_000 });
    expect(rows[0]).toEqual({
      ...{ name: 'kill-api', log: 'redis', passed: 2, passedAtLess: 1, failed: 1, events: 240_000 },
      ...{ takeoverMs: 700, silentMs: 900, memory: 'redis 700/768 MB' },
    });
    expect(rows.map((row) => row.passed)).toEqual([2, 0, 1]);
  });

  it('does not take for a run what was not run', () => {
    appendRun(path, passed('kill-api'), FULL);
    appendRun(path, withoutFigures('clock-steps', 'not run', 'needs libfaketime'), FULL);
    expect(readRuns(path).map(({ name }) => name)).toEqual(['kill-api']);
  });

  it('puts its table between the marks of a page, and leaves the rest as it is', () => {
    const table = passesTable(passesOf([], { names: ['kill-api'], log: 'redis', eventsPerSecond: 5_000 }));
    const page = withTable('before\n<!-- faults:begin -->\nold\n<!-- faults:end -->\nafter\n', table);
    expect(page).toBe(`before\n<!-- faults:begin -->\n\n${table}\n\n<!-- faults:end -->\nafter\n`);
    expect(table).toContain('| kill-api | redis | 0 | 0 | 0 | 0 | 0.0 | 0.0 |  |');
    expect(withTable(page, table)).toBe(page);
    expect(() => withTable('nothing', table)).toThrow('no place for the table');
  });

  it('that the project keeps is what docs/testing.md shows', () => {
    const file = (name: string): string => fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url));
    const runs = readRuns(file('measurements/faults.jsonl'));
    const page = readFileSync(file('testing.md'), 'utf8');
    for (const log of new Set(runs.map((run) => run.log))) {
      const names = [...new Set(runs.filter((run) => run.log === log).map(({ name }) => name))];
      const table = passesTable(passesOf(runs, { names, log, eventsPerSecond: 5_000 }));
      for (const row of table.split('\n')) expect(page).toContain(row);
    }
  });
});
