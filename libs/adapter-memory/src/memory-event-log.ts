import { assert, type LogId, type Offset, type Partition } from '@breakwater/twin';
import {
  type AppendRequest,
  type AppendResult,
  type Clock,
  type EventLog,
  type Lane,
  type LogBounds,
  type LogFrame,
  PlatformError,
  type ReadBatch,
  type ReadLimits,
  type ReadRequest,
  RESERVE_SHARES,
} from '@breakwater/twin-runtime';

import { ArrivalSignal } from './arrival-signal.ts';

export interface MemoryEventLogOptions {
  readonly clock: Clock;
  readonly logId: LogId;
  /** Bytes of frame bodies that one lane of one partition may hold. */
  readonly laneBytesMax?: number;
  readonly frameBytesMax?: number;
  /** What a telemetry lane may hold above that, of records of the platform's own. */
  readonly telemetryReserveBytes?: number;
}

const LANE_BYTES_MAX = 64 * 1024 * 1024;
const FRAME_BYTES_MAX = 1024 * 1024;

interface LaneLog {
  frames: LogFrame[];
  first: number;
  end: number;
  bytes: number;
  readonly producers: Map<string, { seq: number; firstOffset: number; appendedAtMs: number }>;
}

/**
 * The event log in memory, and the reference for every other one. Offsets are contiguous per lane and partition: the
 * next frame starts at `end`, and `end` moves by the frame's number of records, in one step that cannot fail half-way.
 */
export class MemoryEventLog implements EventLog {
  readonly #options: Required<MemoryEventLogOptions>;
  readonly #lanes = new Map<string, LaneLog>();
  readonly #fenced = new Set<string>();
  readonly #arrivals: ArrivalSignal;

  constructor(options: MemoryEventLogOptions) {
    const defaults = { laneBytesMax: LANE_BYTES_MAX, frameBytesMax: FRAME_BYTES_MAX, telemetryReserveBytes: 0 };
    this.#options = { ...defaults, ...options };
    this.#arrivals = new ArrivalSignal(options.clock);
  }

  async logId(): Promise<LogId> {
    return this.#options.logId;
  }

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const results = requests.map((request) => this.#appendOne(request));
    this.#arrivals.arrived(requests.map(({ lane, partition }) => placeOf(lane, partition)));
    return results;
  }

  async read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]> {
    const batches = this.#readNow(requests, limits);
    if (batches.length > 0 || limits.waitMs === 0) return batches;
    await this.#arrivals.wait(limits.waitMs, new Set(requests.map(({ lane, partition }) => placeOf(lane, partition))));
    return this.#readNow(requests, limits);
  }

  async bounds(lane: Lane, partition: Partition): Promise<LogBounds> {
    const { first, end, bytes } = this.#lane(lane, partition);
    return { first: first as Offset, end: end as Offset, bytes };
  }

  async trim(lane: Lane, partition: Partition, before: Offset): Promise<void> {
    const log = this.#lane(lane, partition);
    const kept = log.frames.filter((frame) => frame.lastOffset >= before);
    for (const frame of log.frames) if (frame.lastOffset < before) log.bytes -= frame.body.length;
    log.frames = kept;
    log.first = kept[0]?.firstOffset ?? log.end;
  }

  /** Nothing to do: this log forgets no producer. */
  async keepProducer(): Promise<void> {}

  async fenceProducer(producerId: string, partitions: readonly Partition[]): Promise<void> {
    for (const partition of partitions) this.#fenced.add(`${partition}:${producerId}`);
  }

  #appendOne(request: AppendRequest): AppendResult {
    const log = this.#lane(request.lane, request.partition);
    if (this.#fenced.has(`${request.partition}:${request.producerId}`)) return refused('PRODUCER_FENCED');
    const last = log.producers.get(request.producerId);
    const lastSeq = last?.seq ?? 0;
    if (last !== undefined && request.seq === lastSeq) {
      const { firstOffset, appendedAtMs } = last;
      return { kind: 'appended', firstOffset: firstOffset as Offset, appendedAtMs, repeated: true };
    }
    if (request.seq !== lastSeq + 1) return refused('SEQUENCE_GAP');
    const body = Buffer.from(request.body);
    if (body.length > this.#options.frameBytesMax) return refused('FRAME_TOO_LARGE');
    if (log.bytes + body.length > this.#bytesMaxFor(request)) return refused('LANE_FULL');
    assert(request.recordCount > 0, 'a frame holds at least one record');
    const firstOffset = log.end as Offset;
    const appendedAtMs = this.#options.clock.nowMs();
    log.end += request.recordCount;
    log.bytes += body.length;
    log.frames.push({ firstOffset, lastOffset: (log.end - 1) as Offset, appendedAtMs, body });
    log.producers.set(request.producerId, { seq: request.seq, firstOffset, appendedAtMs });
    return { kind: 'appended', firstOffset, appendedAtMs, repeated: false };
  }

  #bytesMaxFor({ lane, source = 'inbound' }: AppendRequest): number {
    const { laneBytesMax, telemetryReserveBytes } = this.#options;
    return laneBytesMax + (lane === 'telemetry' ? telemetryReserveBytes * RESERVE_SHARES[source] : 0);
  }

  #readNow(requests: readonly ReadRequest[], limits: ReadLimits): readonly ReadBatch[] {
    const batches: ReadBatch[] = [];
    for (const { lane, partition, from } of requests) {
      const log = this.#lane(lane, partition);
      if (from < log.first || from > log.end) {
        throw new PlatformError('POSITION_OUT_OF_RANGE', `${lane} of partition ${partition} has no offset ${from}`, {
          details: { lane, partition, from, first: log.first, end: log.end },
        });
      }
      const at = firstFrameReaching(log.frames, from);
      const frames = log.frames.slice(at, at + limits.framesMaxPerPartition);
      if (frames.length > 0) batches.push({ lane, partition, frames });
    }
    return batches;
  }

  #lane(lane: Lane, partition: Partition): LaneLog {
    const key = placeOf(lane, partition);
    let log = this.#lanes.get(key);
    if (log === undefined) {
      log = { frames: [], first: 0, end: 0, bytes: 0, producers: new Map() };
      this.#lanes.set(key, log);
    }
    return log;
  }
}

function placeOf(lane: Lane, partition: Partition): string {
  return `${lane}:${partition}`;
}

/** Index of the first frame whose last offset is at or after `from`. */
function firstFrameReaching(frames: readonly LogFrame[], from: Offset): number {
  let low = 0;
  let high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((frames[middle] as LogFrame).lastOffset < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function refused(code: Extract<AppendResult, { kind: 'refused' }>['code']): AppendResult {
  return { kind: 'refused', code };
}
