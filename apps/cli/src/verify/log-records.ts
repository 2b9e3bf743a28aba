import type { DeviceKey, Offset, Partition, TwinMessage } from '@breakwater/twin';
import { type DecodedRecord, type EventLog, type Lane, PlatformError } from '@breakwater/twin-runtime';
import { decodeRecord, keyOfRecord } from '@breakwater/wire';

/** One record of the retained log. */
export interface LogRecord {
  readonly lane: Lane;
  readonly offset: Offset;
  readonly appendedAtMs: number;
  /** About how much of memory it takes: the length of its line. */
  readonly size: number;
  /** Null for a line that is no record. */
  readonly decoded: (DecodedRecord & { readonly message: TwinMessage }) | null;
}

export interface LogRange {
  readonly lane: Lane;
  readonly partition: Partition;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

const FRAMES_PER_READ = 64;

/**
 * The records of a range, in order.
 * @throws PlatformError POSITION_OUT_OF_RANGE when the log has forgotten some of them.
 */
export async function* recordsOf(log: EventLog, range: LogRange): AsyncGenerator<LogRecord> {
  const { lane, partition, to } = range;
  let next = range.from;
  while (next < to) {
    const request = { lane, partition, from: next as Offset };
    const [batch] = await log.read([request], { framesMaxPerPartition: FRAMES_PER_READ, waitMs: 0 });
    if (batch === undefined || batch.frames.length === 0) {
      const detail = `${lane} of partition ${partition} ends at ${next}, before ${to}`;
      throw new PlatformError('POSITION_OUT_OF_RANGE', detail);
    }
    for (const frame of batch.frames) {
      const lines = frame.body.toString('utf8').split('\n');
      for (let at = next - frame.firstOffset; at < lines.length && next < to; at += 1, next += 1) {
        const line = lines[at] as string;
        const { appendedAtMs } = frame;
        yield { lane, offset: next as Offset, appendedAtMs, size: line.length, decoded: decode(line) };
      }
    }
  }
}

/** As the runtime reads it. A version that this build does not know ends the verification: nothing may be guessed. */
function decode(line: string): LogRecord['decoded'] {
  try {
    const record = decodeRecord(line);
    const { incarnation, sessionEpoch, message } = record;
    return { key: keyOfRecord(record) as DeviceKey, incarnation, sessionEpoch, message };
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'RECORD_VERSION_UNKNOWN') throw error;
    return null;
  }
}
