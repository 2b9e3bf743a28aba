import { runDifferential } from '../differential/differential-run.ts';
import { requirePrograms } from './outside-programs.ts';
import type { SuiteOutcome } from './suite-programs.ts';

const SESSIONS = 10_000;

/** Compares 10,000 drawn sessions with mosquitto's, or the one of a seed. */
export async function runMosquittoDifferential(seed: number | null = null): Promise<SuiteOutcome> {
  requirePrograms('mosquitto');
  const seeds = seed === null ? Array.from({ length: SESSIONS }, (_, index) => index + 1) : [seed];
  const { sessions, failures } = await runDifferential({ seeds, shrinks: seed === null });
  return { passed: sessions - failures.length, failed: failures };
}
