import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

/** What may go wrong in a run, as probabilities per call or per second. */
export interface FaultMix {
  /** A worker is killed and started anew. */
  readonly workerCrashPerSecond: number;
  /** A worker stands still, often for longer than its lease. */
  readonly workerPausePerSecond: number;
  /** The lease keeper forgets a worker that lives. */
  readonly leaseLossPerSecond: number;
  /** A worker is stopped in order, and started anew. */
  readonly workerHandOffPerSecond: number;
  readonly gatewayCrashPerSecond: number;
  /** The request never arrives; the caller is told so. */
  readonly lostRequest: number;
  /** The request is done; the caller never learns it. */
  readonly lostReply: number;
  /** The request is done twice. */
  readonly duplicatedRequest: number;
  /** The request takes seconds. */
  readonly slowRequest: number;
  /** Messages whose handling throws. */
  readonly throwingMessage: number;
  /** Messages that kill the process which handles them. */
  readonly killingMessage: number;
}

export type FaultKind = keyof FaultMix;

interface Range {
  readonly mild: number;
  readonly extreme: number;
}

const RANGES: Readonly<Record<FaultKind, Range>> = {
  workerCrashPerSecond: { mild: 0.05, extreme: 0.4 },
  workerPausePerSecond: { mild: 0.05, extreme: 0.4 },
  leaseLossPerSecond: { mild: 0.1, extreme: 1 },
  workerHandOffPerSecond: { mild: 0.05, extreme: 0.3 },
  gatewayCrashPerSecond: { mild: 0.05, extreme: 0.4 },
  lostRequest: { mild: 0.01, extreme: 0.15 },
  lostReply: { mild: 0.01, extreme: 0.15 },
  duplicatedRequest: { mild: 0.01, extreme: 0.2 },
  slowRequest: { mild: 0.005, extreme: 0.05 },
  throwingMessage: { mild: 0.01, extreme: 0.1 },
  killingMessage: { mild: 0.001, extreme: 0.004 },
};

const OFF = 0.4;
const MILD = 0.8;

/**
 * A mix of its own for each seed: some kinds off, others extreme. Were all on in every run, each would hide the others,
 * and what only shows when one fault is left alone would never be seen.
 */
export function swarm(random: SeededRandom): FaultMix {
  const drawn = Object.entries(RANGES).map(([kind, range]) => {
    const level = random.next();
    return [kind, level < OFF ? 0 : level < MILD ? range.mild : range.extreme] as const;
  });
  return Object.fromEntries(drawn) as unknown as FaultMix;
}

export const NO_FAULTS = Object.fromEntries(Object.keys(RANGES).map((kind) => [kind, 0])) as unknown as FaultMix;
