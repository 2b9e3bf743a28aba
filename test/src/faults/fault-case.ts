import type { FaultLog } from './fault-log.ts';
import type { PlatformUnderFault, PlatformSetup } from './platform-under-fault.ts';

/** The load that a fault strikes. */
export interface LoadUnderFault {
  /** Ids of its devices. */
  readonly devices: readonly string[];
  /** Events that were acknowledged by now, or a quarter of a second ago. */
  acknowledged(): number;
}

/** One fault under load: what happens, and what beyond the rules for all of them must hold. */
export interface FaultCase {
  readonly name: string;
  readonly title: string;
  /** Lines of the acceptance list that it is about, as docs/testing.md explains them. */
  readonly lines: readonly string[];
  /** It is one of the few that `npm test` runs. */
  readonly short?: true;
  /** How long the load lasts; it begins before the fault. */
  readonly loadSeconds: number;
  readonly setup?: PlatformSetup;
  /** It is about these engines of the log alone. */
  readonly logs?: readonly FaultLog[];
  /** Twins of a part that is away must move elsewhere within this time. */
  readonly takeoverMaxMs?: number;
  /** Of a hundred events 99 must be acknowledged within this time. */
  readonly pubackP99MaxMs?: number;
  /** What this machine lacks for it, or null. */
  readonly lacks?: () => string | null;

  /** Brings the fault, and ends it if it does not end by itself. Answers what is worth a note. */
  readonly strike: (platform: PlatformUnderFault, load: LoadUnderFault) => Promise<string | undefined>;
}

export interface FaultResult {
  readonly name: string;
  readonly verdict: 'passed' | 'failed' | 'not run';
  readonly acknowledged: number;
  readonly lost: number;
  readonly twice: number;
  readonly twinsWrong: number;
  /** The longest time for which records of a partition waited and none was applied. */
  readonly takeoverMs: number;
  /** The longest time without any acknowledgement. */
  readonly silentMs: number;
  readonly memory: string;
  readonly operations: number;
  readonly seconds: number;
  readonly notes: readonly string[];
  readonly problems: readonly string[];
}
