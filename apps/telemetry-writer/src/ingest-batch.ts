import type { LogId, Offset, Partition } from '@breakwater/twin';
import type { LogFrame } from '@breakwater/twin-runtime';
import {
  INSERT_SETTINGS,
  type IngestPlan,
  type PlanPartition,
  PLANS_PER_TENANT_TOTALS,
} from '@breakwater/adapter-clickhouse';

import { BatchCutter, type CutLimits, type CutRange } from './cut/batch-cutter.ts';
import type { DeadLetterDraft } from './cut/dead-letter-quota.ts';
import { fairShares } from './cut/fair-shares.ts';
import type { LogBuffer } from './log-buffer.ts';
import type { TenantTotals } from './tenant-totals.ts';

/** A plan with the lines that it stands for. */
export interface IngestBatch {
  readonly plan: IngestPlan;
  readonly bodies: ReadonlyMap<number, Buffer>;
  readonly deadLetters: DeadLetterDraft;
  /** Partitions whose next record has a version that this build does not know. */
  readonly halted: readonly { readonly partition: Partition; readonly reason: string }[];
  /** More was there than the limits let in: the next round need not wait. */
  readonly full: boolean;
}

export interface WriterState {
  readonly scope: string;
  readonly number: number;
  readonly epoch: number;
  readonly owner: string;
  readonly logId: LogId;
  readonly partitions: readonly PlanPartition[];
  readonly tenants: TenantTotals;
  /** The next plan says the totals by tenant, whatever its number is: the first of a writer's life does. */
  readonly isFirst: boolean;
  readonly blockMark: number;
}

/** What a line grows by with its place in front, for lines of about 250 bytes. */
const PLACE_SHARE = 1.3;

/** Cuts the next batch of what is buffered, or null when that holds no record. */
export function cutBatch(
  buffer: LogBuffer,
  state: WriterState,
  options: { readonly limits: CutLimits; readonly deadLetters: DeadLetterDraft },
): IngestBatch | null {
  const { limits, deadLetters } = options;
  const pending = buffer.pending();
  const cutter = new BatchCutter({
    epoch: state.epoch,
    logId: state.logId,
    limits,
    keepDeadLetter: deadLetters.keep,
    expectedBytes: Math.min(buffer.bytes, limits.bytesMax) * PLACE_SHARE,
  });
  // Partitions are taken one after the other: were their shares more than fit, the last ones would have none.
  const fitting = Math.ceil((limits.bytesMax * buffer.records) / Math.max(1, buffer.bytes * PLACE_SHARE));
  const shares = fairShares(pending.map(waitingRecords), Math.min(limits.recordsMax, fitting));
  const ranges = pending.map(({ partition, from, frames }, index) => {
    const recordsMax = shares[index] as number;
    return cutter.take(partition, frames, { from, to: Number.MAX_SAFE_INTEGER, recordsMax });
  });
  const halted = ranges.flatMap(({ partition, unknownRecord }) =>
    unknownRecord === null ? [] : [{ partition: partition as Partition, reason: unknownRecord }],
  );
  if (cutter.records === 0 && halted.length === 0) return null;
  const number = state.number + 1;
  const tenants = state.tenants.ofRanges(ranges);
  return {
    plan: {
      scope: state.scope,
      number,
      epoch: state.epoch,
      owner: state.owner,
      logId: state.logId,
      blockMark: state.blockMark,
      partitions: advancePartitions(state.partitions, ranges),
      tenants,
      tenantTotals: state.isFirst || number % PLANS_PER_TENANT_TOTALS === 0 ? state.tenants.with(tenants) : null,
      days: [...cutter.days].map(([day, { lines }]) => ({ day, lines })),
      records: cutter.records,
      digest: cutter.digest(),
      keptDeadLetters: Object.fromEntries(deadLetters.kept),
      settings: INSERT_SETTINGS,
    },
    bodies: new Map([...cutter.days].map(([day, lines]) => [day, lines.body()])),
    deadLetters,
    halted,
    full: cutter.full || pending.some((each, index) => waitingRecords(each) > (shares[index] as number)),
  };
}

function waitingRecords({ from, frames }: { readonly from: number; readonly frames: readonly LogFrame[] }): number {
  return Math.max(0, (frames.at(-1)?.lastOffset ?? from - 1) + 1 - from);
}

/** The positions that a plan ends at. */
export function positionsAfter(plan: IngestPlan): ReadonlyMap<Partition, Offset> {
  return new Map(plan.partitions.map(({ partition, to }) => [partition as Partition, to as Offset]));
}

function advancePartitions(before: readonly PlanPartition[], ranges: readonly CutRange[]): readonly PlanPartition[] {
  const byPartition = new Map(ranges.map((range) => [range.partition, range]));
  return before.map((part) => {
    const range = byPartition.get(part.partition);
    if (range === undefined) return { ...part, from: part.to };
    return {
      partition: part.partition,
      from: range.from,
      to: range.to,
      stored: part.stored + range.counts.stored,
      nothingToStore: part.nothingToStore + range.counts.nothingToStore,
      dead: part.dead + range.counts.dead,
    };
  });
}
