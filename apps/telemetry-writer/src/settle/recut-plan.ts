import type { Offset, Partition } from '@breakwater/twin';
import { PlatformError, type EventLog } from '@breakwater/twin-runtime';
import type { IngestPlan } from '@breakwater/adapter-clickhouse';

import { BatchCutter } from '../cut/batch-cutter.ts';
import { deadLettersOfPlan } from '../cut/dead-letter-quota.ts';
import { FrameSize } from '../frame-size.ts';

const FRAMES_PER_READ = 256;
const BYTES_PER_READ = 8 * 1024 * 1024;
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
  const frameSize = new FrameSize();
  for (const { partition, from, to } of plan.partitions) {
    if (from === to) continue;
    await takeRange({ log, cutter, frameSize }, partition as Partition, { from, to });
  }
  const digest = cutter.digest();
  if (digest !== plan.digest || cutter.records !== plan.records) {
    throw new PlatformError('PLAN_MISMATCH', `plan ${plan.number} was made of other records than the log has now`, {
      details: { records: cutter.records, planned: plan.records, digest, plannedDigest: plan.digest },
    });
  }
  return new Map([...cutter.days].map(([day, lines]) => [day, lines.body()]));
}

/** Cuts what each read brings before the next one, so that no more of the log is held than one read. */
async function takeRange(
  parts: { readonly log: EventLog; readonly cutter: BatchCutter; readonly frameSize: FrameSize },
  partition: Partition,
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  const { log, cutter, frameSize } = parts;
  let next = range.from;
  while (next < range.to) {
    const [batch] = await log.read([{ lane: 'telemetry', partition, from: next as Offset }], {
      framesMaxPerPartition: Math.min(FRAMES_PER_READ, frameSize.framesIn(BYTES_PER_READ)),
      waitMs: 0,
    });
    const last = batch?.frames.at(-1);
    if (batch === undefined || last === undefined) {
      throw new PlatformError(
        'PLAN_MISMATCH',
        `the log ends at ${next} in partition ${partition}, before the plan does`,
      );
    }
    frameSize.learn(batch.frames);
    cutter.take(partition, batch.frames, { from: next, to: range.to, recordsMax: Number.MAX_SAFE_INTEGER });
    next = last.lastOffset + 1;
  }
}
