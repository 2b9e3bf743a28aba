import { HANG_MS, runFuzz } from '../../mqtt-fuzz/run-fuzz.ts';
import type { SuiteOutcome } from './suite-programs.ts';

/** Each run of the suite has the same attacks; `npm run mqtt:fuzz` looks for new ones. */
const SEED = 4;
const PACKETS = 1_000_000;

/** The whole number of attacks against the engine in this process; `npm test` has a short form of it. */
export async function runEngineFuzz(): Promise<SuiteOutcome> {
  const { complaint } = await runFuzz({ seed: SEED, packets: PACKETS, firstCase: 0, bug: null, hangMs: HANG_MS });
  return complaint === null ? { passed: 1, failed: [] } : { passed: 0, failed: [complaint] };
}
