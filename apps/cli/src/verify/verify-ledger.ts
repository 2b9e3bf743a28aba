import { LastingImbalances, type LedgerReading } from '@breakwater/twin-runtime';

import type { PartResult } from './finding.ts';

const READINGS = 3;

/** Reads the ledger three times, and tells what all of them have found. */
export async function verifyLedger(
  read: () => Promise<LedgerReading>,
  pause: () => Promise<void>,
): Promise<PartResult> {
  const seen = new LastingImbalances(READINGS);
  let reading = await read();
  seen.note(reading.imbalances, 0);
  for (let count = 1; count < READINGS && (reading.imbalances.length > 0 || reading.degraded.length > 0); count += 1) {
    await pause();
    reading = await read();
    seen.note(reading.imbalances, count);
  }
  const lines = reading.lanes.reduce((sum, { consumers }) => sum + consumers.length, 0);
  const appended = reading.lanes.reduce((sum, { bounds }) => sum + bounds.end, 0);
  return {
    part: 'ledger',
    compared: `${lines} lines over ${appended} records of the log ${reading.logId}`,
    findings: seen.lasting.map(({ kind, consumer, lane, partition, detail }) => ({
      part: 'ledger',
      kind,
      detail: `${consumer}, ${lane} of partition ${partition ?? 'any'}: ${detail}`,
    })),
    skipped: reading.degraded.map((consumer) => `the side of the ${consumer} cannot be read`),
  };
}
