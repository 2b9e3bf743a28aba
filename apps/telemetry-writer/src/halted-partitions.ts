import type { Partition } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

/** What every later read of the same place would meet again. To pass over it would leave rows out in silence. */
const HALTING_CODES: ReadonlySet<string> = new Set(['LOG_BATCH_UNREADABLE', 'POSITION_OUT_OF_RANGE']);

/**
 * Partitions that wait for an operator, and why. One that cannot be read, or whose next record is of a newer build,
 * keeps its position in every later plan, so that the log keeps its records; the others are stored as before.
 */
export class HaltedPartitions {
  readonly #reasons = new Map<Partition, string>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get size(): number {
    return this.#reasons.size;
  }

  has(partition: Partition): boolean {
    return this.#reasons.has(partition);
  }

  halt(partition: Partition, code: string, reason: string): void {
    this.#reasons.set(partition, `${code}: ${reason}`);
    this.#logger.error({ partition, code }, `this partition stops: ${reason}`);
  }

  /** A writer that begins anew looks at each of them again. */
  clear(): void {
    this.#reasons.clear();
  }

  degraded(): readonly { readonly part: string; readonly detail: string }[] {
    return [...this.#reasons].map(([partition, detail]) => ({ part: `partition ${partition}`, detail }));
  }
}

/** A failed read as the halt of the one partition that it names; null when it is to be answered in another way. */
export function haltOf(
  error: unknown,
): { readonly partition: Partition; readonly from: unknown; readonly code: string; readonly reason: string } | null {
  if (!(error instanceof PlatformError) || !HALTING_CODES.has(error.code)) return null;
  const { lane, partition, from } = error.details;
  if (lane !== 'telemetry' || typeof partition !== 'number') return null;
  return { partition: partition as Partition, from, code: error.code, reason: error.message };
}
