/** Messages or connections that were turned away before the log, and so have no record that could be counted. */
export interface Refusal {
  readonly tenant: string;
  /** Short and of a closed list, such as `shed.queue`. */
  readonly reason: string;
  readonly count: number;
}

export interface RefusalFlush {
  /** One life of one process. */
  readonly flusherId: string;
  /** From 1 and contiguous per flusher: a flush that is repeated is counted once. */
  readonly seq: number;
  readonly refusals: readonly Refusal[];
}

/**
 * What was refused and shed, added up over all gateways and their lives, by tenant and reason. How many lines there are
 * is bounded: beyond it a tenant is counted with the others.
 */
export interface RefusalCounts {
  /** A rejected promise: outcome unknown, and repeating the same flush is safe. */
  add(flush: RefusalFlush): Promise<void>;
  read(): Promise<readonly Refusal[]>;
}

/** Lines of the counts, over all tenants and reasons. */
export const REFUSAL_LINES_MAX = 4_096;
