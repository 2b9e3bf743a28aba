import type { DecodedRecord } from '@breakwater/twin-runtime';
import { PlatformError } from '@breakwater/twin-runtime';
import { decodeRecord, keyOfRecord, UnknownRecordVersion } from '@breakwater/wire';

/** The wire's decoder, in the words of the runtime. */
export function decodeForRuntime(line: string): DecodedRecord {
  try {
    const record = decodeRecord(line);
    const { incarnation, sessionEpoch, message } = record;
    return { key: keyOfRecord(record), incarnation, sessionEpoch, message };
  } catch (error) {
    if (!(error instanceof UnknownRecordVersion)) throw error;
    throw new PlatformError(error.code, error.message, { cause: error });
  }
}
