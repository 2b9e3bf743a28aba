import type { Offset, Partition } from '@breakwater/twin';
import { PlatformError, type EventLog, type LogFrame } from '@breakwater/twin-runtime';
import type { IngestPlan } from '@breakwater/adapter-clickhouse';

import { BatchCutter } from '../cut/batch-cutter.ts';
import { deadLettersOfPlan } from '../cut/dead-letter-quota.ts';

const FRAMES_PER_READ = 256;
const NO_LIMITS = {
  recordsMax: Number.MAX_SAFE_INTEGER,
  bytesMax: Number.MAX_SAFE_INTEGER,
  daysMax: Number.MAX_SAFE_INTEGER,
};

/**
 * Reads a stored plan's records from the log again and cuts them as they were cut.
 *
 * @throws PlatformError PLAN_MISMATCH when the log answers other records than those that the plan was made of.
 */
export async function recutPlan(log: EventLog, plan: IngestPlan, epoch: number): Promise<ReadonlyMap<number, Buffer>> {
  const cutter = new BatchCutter({
    epoch,
    logId: plan.logId,
    limits: NO_LIMITS,
    keepDeadLetter: deadLettersOfPlan(plan.keptDeadLetters).keep,
  });
  for (const { partition, from, to } of plan.partitions) {
    if (from === to) continue;
    const frames = await readRange(log, partition as Partition, { from, to });
    cutter.take(partition, frames, { from, to, recordsMax: Number.MAX_SAFE_INTEGER });
  }
  const digest = cutter.digest();
  if (digest !== plan.digest || cutter.records !== plan.records) {
    throw new PlatformError('PLAN_MISMATCH', `plan ${plan.number} was made of other records than the log has now`, {
      details: { records: cutter.records, planned: plan.records, digest, plannedDigest: plan.digest },
    });
  }
  return new Map([...cutter.days].map(([day, lines]) => [day, lines.body()]));
}

async function readRange(
  log: EventLog,
  partition: Partition,
  range: { readonly from: number; readonly to: number },
): Promise<readonly LogFrame[]> {
  const frames: LogFrame[] = [];
  let next = range.from;
  while (next < range.to) {
    const [batch] = await log.read([{ lane: 'telemetry', partition, from: next as Offset }], {
      framesMaxPerPartition: FRAMES_PER_READ,
      waitMs: 0,
    });
    const last = batch?.frames.at(-1);
    if (batch === undefined || last === undefined) {
      throw new PlatformError(
        'PLAN_MISMATCH',
        `the log ends at ${next} in partition ${partition}, before the plan does`,
      );
    }
    frames.push(...batch.frames);
    next = last.lastOffset + 1;
  }
  return frames;
}
