import type { IngestPlan } from '@breakwater/adapter-clickhouse';
import type { LogId, Partition } from '@breakwater/twin';
import type { LogOrigin } from '@breakwater/twin-runtime';

/** By partition: up to where a log that was restored from a backup has the records that a plan of its past stored. */
export type CarriedOver = ReadonlyMap<Partition, number>;

/** Null when the plan is of the present log, or of one that the present log has nothing of. */
export function carriedOver(last: IngestPlan, logId: LogId, origins: readonly LogOrigin[]): CarriedOver | null {
  const at = last.logId === logId ? -1 : origins.findIndex((origin) => origin.logId === last.logId);
  if (at < 0) return null;
  // Each backup since may have ended earlier: what was appended behind its end are other records.
  const endOf = (partition: number): number =>
    origins.slice(at).reduce((least, { ends }) => Math.min(least, ends[partition] ?? 0), Number.MAX_SAFE_INTEGER);
  return new Map(last.partitions.map(({ partition, to }) => [partition as Partition, Math.min(to, endOf(partition))]));
}

/** The restored log has every record of the plan, so an open one can be repeated from it. */
export function carriesWhole(carried: CarriedOver | null, plan: IngestPlan): boolean {
  return carried !== null && plan.partitions.every(({ partition, to }) => carried.get(partition as Partition) === to);
}
