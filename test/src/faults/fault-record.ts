import { appendFileSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

import type { FaultResult } from './fault-case.ts';

export interface RunPlace {
  /** The engine of the log. */
  readonly log: string;
  /** Null where a suite brings a load of its own. */
  readonly eventsPerSecond: number | null;
}

/** One run of one fault, as it is kept. */
export interface RecordedRun extends FaultResult, RunPlace {
  readonly at: string;
  readonly cores: number;
  /** Load average of the last minute at the end: whether the machine did much else. */
  readonly load: number;
}

/**
 * Adds a run to a record: one line of JSON, written at once, so that several shards may share the file. What was not
 * run is no run.
 */
export function appendRun(path: string, result: FaultResult, place: RunPlace): void {
  if (result.verdict === 'not run') return;
  const machine = { cores: availableParallelism(), load: Math.round(loadavg()[0] ?? 0) };
  const run: RecordedRun = { at: new Date().toISOString(), ...place, ...result, ...machine };
  appendFileSync(path, `${JSON.stringify(run)}\n`);
}

export function readRuns(path: string): readonly RecordedRun[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordedRun);
}
