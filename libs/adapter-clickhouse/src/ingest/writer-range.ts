import type { Partition } from '@breakwater/twin';

/**
 * One of the equal ranges that the partitions of the telemetry lane are divided into. Each has one writer at a time,
 * with its own chain of plans, its own epochs and its own tokens, so that ranges share nothing that a writer could be
 * wrong about. The undivided lane is one range, under the names that it always had.
 */
export interface WriterRange {
  readonly index: number;
  /** How many ranges there are: the division that this one belongs to. */
  readonly of: number;
}

export const WHOLE_LANE: WriterRange = { index: 0, of: 1 };
/** All ranges share the tables' window of tokens: with more, a request could take as long as what is spare of it. */
export const WRITER_RANGES_MAX = 16;
export const WHOLE_SCOPE = 'telemetry';
/**
 * Of a division that no writer has. Its chain is the operator's: it ends where partitions go on behind what the log has
 * forgotten, and writers take it up as they do the chains of any other division.
 */
export const SKIPPED_RANGE: WriterRange = { index: 0, of: 999 };

const SCOPE_PATTERN = /^telemetry\/(\d+)-of-(\d+)$/;
/** Epochs of a range, which begin at a number of its own: written out, 4001000000007 is the seventh of range 1 of 4. */
const EPOCHS_PER_RANGE = 1_000_000_000;
const RANGES_PER_DIVISION = 1_000;

/** What its plans and epochs stand under. */
export function scopeOf({ index, of }: WriterRange): string {
  return of === 1 ? WHOLE_SCOPE : `${WHOLE_SCOPE}/${index}-of-${of}`;
}

/** Null for a scope that no division has. */
export function rangeOfScope(scope: string): WriterRange | null {
  if (scope === WHOLE_SCOPE) return WHOLE_LANE;
  const [, index, of] = SCOPE_PATTERN.exec(scope) ?? [];
  return of === undefined ? null : { index: Number(index), of: Number(of) };
}

/**
 * The number that the epochs of a range follow. No two scopes can have the same epoch, whoever takes it at the same
 * moment: so a line needs to carry nothing but its epoch to be refused when its range has a newer one.
 */
export function epochsBegin({ index, of }: WriterRange): number {
  return of === 1 ? 0 : (of * RANGES_PER_DIVISION + index) * EPOCHS_PER_RANGE;
}

/** Neighbouring partitions; the sizes of ranges differ by one at most. */
export function partitionsOfRange({ index, of }: WriterRange, partitionCount: number): readonly Partition[] {
  const first = Math.floor((index * partitionCount) / of);
  const end = Math.floor(((index + 1) * partitionCount) / of);
  return Array.from({ length: end - first }, (_, at) => (first + at) as Partition);
}

/** The tables that a range's lines and plans are inserted into: entrances, behind which views check its epoch. */
export interface IngestEntrances {
  readonly records: string;
  readonly plans: string;
}

const WHOLE_LANE_ENTRANCES: IngestEntrances = { records: 'records_in', plans: 'ingest_plans_in' };
const RANGE_ENTRANCES: IngestEntrances = { records: 'range_records_in', plans: 'range_plans_in' };

/**
 * A chain keeps its entrances for ever: whoever repeats an insert, under whatever division, repeats it there. Through
 * the other ones the same token would be another.
 */
export function entrancesOf(scope: string): IngestEntrances {
  return scope === WHOLE_SCOPE ? WHOLE_LANE_ENTRANCES : RANGE_ENTRANCES;
}
