import type { EventLog } from '@breakwater/twin-runtime';

import { type LogRecord, recordsOf } from './log-records.ts';
import type { MustHaveRows } from './verify-rows.ts';

const STORED_KINDS: ReadonlySet<string> = new Set(['telemetry', 'event', 'commandRecorded']);

/** Reads the records of these offsets in the log, and answers those that must have rows. */
export function mustHaveRows(log: EventLog): MustHaveRows {
  return async ({ partition, from, to }, offsets) => {
    const wanted = new Set(offsets);
    const due: number[] = [];
    try {
      for await (const record of recordsOf(log, { lane: 'telemetry', partition, from, to })) {
        if (wanted.has(record.offset) && isStored(record)) due.push(record.offset);
      }
      return due;
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === 'POSITION_OUT_OF_RANGE') return null;
      throw error;
    }
  };
}

function isStored({ decoded }: LogRecord): boolean {
  if (decoded === null || !STORED_KINDS.has(decoded.message.kind)) return false;
  return decoded.message.kind !== 'telemetry' || decoded.message.points.length > 0;
}
