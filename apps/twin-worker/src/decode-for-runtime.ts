import { PlatformError, type DecodedRecord, type RecordDecoder } from '@breakwater/twin-runtime';
import { decodeRecord, keyOfRecord, UnknownRecordVersion, type WireRecord } from '@breakwater/wire';

/** One telemetry record in so many is timed from the device to its commit: a histogram needs no more. */
const TIMED_EVERY = 8;

/** The wire's decoder, in the words of the runtime. */
export function createDecoder(): RecordDecoder {
  let untilTimed = TIMED_EVERY;
  return (line) => {
    const record = read(line);
    const { incarnation, sessionEpoch, message } = record;
    const decoded: DecodedRecord = { key: keyOfRecord(record), incarnation, sessionEpoch, message };
    if (message.kind !== 'telemetry' || (untilTimed -= 1) > 0) return decoded;
    untilTimed = TIMED_EVERY;
    return { ...decoded, sentAtMs: message.points.at(-1)?.tsMs ?? record.receivedAtMs };
  };
}

function read(line: string): WireRecord {
  try {
    return decodeRecord(line);
  } catch (error) {
    if (!(error instanceof UnknownRecordVersion)) throw error;
    throw new PlatformError(error.code, error.message, { cause: error });
  }
}
