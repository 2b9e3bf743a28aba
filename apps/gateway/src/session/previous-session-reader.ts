import type { DeviceKey, Incarnation, Offset, Partition } from '@breakwater/twin';
import type { EventLog, Lane, LogFrame } from '@breakwater/twin-runtime';
import { peekSender } from '@breakwater/wire';

import type { LoggedMark } from './resend-memory.ts';

export interface PreviousSessionReaderOptions {
  /** An instance of its own: its reads must not stand in the way of appends. */
  readonly log: EventLog;
  /** How far back the tail of a lane is read. A resend of something older counts as a new event. */
  readonly tailRecordsMax: number;
  readonly framesPerRead: number;
}

/** One life of a device, and where its records are. */
export interface DeviceLife {
  readonly key: DeviceKey;
  readonly incarnation: Incarnation;
  readonly partition: Partition;
}

interface TailRead {
  /** By device and incarnation. */
  readonly marks: Map<string, LoggedMark[]>;
  readonly done: Promise<void>;
}

const NEWLINE = 10;

/**
 * Finds in the log what devices sent in their previous sessions. One read of a tail serves every session that asked
 * before it began: after the loss of a gateway all its devices come back at once.
 */
export class PreviousSessionReader {
  readonly #options: PreviousSessionReaderOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, TailRead>();

  constructor(options: PreviousSessionReaderOptions) {
    this.#options = options;
  }

  /** The marks of the device's messages in the tail, oldest first. The read begins after this call. */
  async marksOf(device: DeviceLife, lane: Lane): Promise<readonly LoggedMark[]> {
    const { partition } = device;
    const name = `${lane}:${partition}`;
    let read = this.#next.get(name);
    if (read === undefined) {
      const marks = new Map<string, LoggedMark[]>();
      const before = this.#running.get(name) ?? Promise.resolve();
      const done = before.then(() => {
        this.#next.delete(name);
        return this.#readTail(lane, partition, marks);
      });
      read = { marks, done };
      this.#next.set(name, read);
      const settled = done
        .catch(() => undefined)
        .then(() => {
          if (this.#running.get(name) === settled) this.#running.delete(name);
        });
      this.#running.set(name, settled);
    }
    const life = `${device.key}#${device.incarnation}`;
    const found = read.marks.get(life) ?? [];
    read.marks.set(life, found);
    await read.done;
    return found;
  }

  async #readTail(lane: Lane, partition: Partition, marks: Map<string, LoggedMark[]>): Promise<void> {
    const bounds = await this.#options.log.bounds(lane, partition);
    let from = Math.max(bounds.first, bounds.end - this.#options.tailRecordsMax) as Offset;
    const passedOver = lane === 'control' ? new Map<string, number>() : null;
    const limits = { framesMaxPerPartition: this.#options.framesPerRead, waitMs: 0 };
    while (from < bounds.end) {
      const batches = await this.#options.log.read([{ lane, partition, from }], limits);
      const frames = batches[0]?.frames ?? [];
      const last = frames.at(-1);
      if (last === undefined) return;
      for (const frame of frames) collectMarks(frame, marks, passedOver);
      from = (last.lastOffset + 1) as Offset;
    }
  }
}

/**
 * In the control lane a twin passes over what stands behind a newer connection of its device, so such a mark is none:
 * `newestEpochs` has the newest connection of each device that was asked for, as far as it was read.
 */
function collectMarks(
  { body, appendedAtMs }: LogFrame,
  marks: ReadonlyMap<string, LoggedMark[]>,
  newestEpochs: Map<string, number> | null,
): void {
  let start = 0;
  while (start < body.length) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    const sender = peekSender(body.toString('utf8', start, end));
    start = end + 1;
    if (sender === null) continue;
    const life = `${sender.tenant}/${sender.device}#${sender.incarnation}`;
    const known = marks.get(life);
    if (known === undefined || isPassedOver(life, sender.sessionEpoch, newestEpochs)) continue;
    if (sender.packetId !== 0 || sender.messageId !== '') known.push({ ...sender, appendedAtMs });
  }
}

function isPassedOver(life: string, sessionEpoch: number, newestEpochs: Map<string, number> | null): boolean {
  const newest = newestEpochs?.get(life) ?? 0;
  if (sessionEpoch < newest) return sessionEpoch !== 0;
  newestEpochs?.set(life, sessionEpoch);
  return false;
}
