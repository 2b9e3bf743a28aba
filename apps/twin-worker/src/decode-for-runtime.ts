import { PlatformError, type DecodedRecord, type RecordDecoder } from '@breakwater/twin-runtime';
import {
  decodeRecord,
  keyOfRecord,
  TelemetryLineReader,
  UnknownRecordVersion,
  type WireRecord,
} from '@breakwater/wire';

/** One telemetry record in so many is timed from the device to its commit: a histogram needs no more. */
const TIMED_EVERY = 8;

/** The wire's decoder, in the words of the runtime. */
export function createDecoder(): RecordDecoder {
  const telemetry = new TelemetryLineReader();
  let untilTimed = TIMED_EVERY;
  const timed = (decoded: DecodedRecord, sentAtMs: number): DecodedRecord => {
    untilTimed -= 1;
    if (untilTimed > 0) return decoded;
    untilTimed = TIMED_EVERY;
    return { ...decoded, sentAtMs };
  };
  return (line) => {
    const quick = telemetry.read(line);
    if (quick !== null) {
      const { key, incarnation, sessionEpoch, points } = quick;
      return timed({ key, incarnation, sessionEpoch, message: { kind: 'telemetry', points } }, points.at(-1)!.tsMs);
    }
    const record = read(line);
    const { incarnation, sessionEpoch, message, traceparent } = record;
    const decoded: DecodedRecord = { key: keyOfRecord(record), incarnation, sessionEpoch, message };
    if (message.kind !== 'telemetry') return traceparent === '' ? decoded : { ...decoded, traceparent };
    return timed(decoded, message.points.at(-1)?.tsMs ?? record.receivedAtMs);
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
