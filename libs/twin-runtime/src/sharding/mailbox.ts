import { assert, type Offset } from '@breakwater/twin';

import type { Lane, LogFrame } from '../ports/event-log.ts';
import type { DecodedRecord, RecordDecoder } from '../ports/record-decoder.ts';

/** A record on its way to its twin. */
export interface MailboxRecord {
  readonly lane: Lane;
  readonly offset: Offset;
  readonly appendedAtMs: number;
  readonly line: string;
  /** Null for a line that is no record at all: it is dead-lettered, since no reader will ever make sense of it. */
  readonly decoded: DecodedRecord | null;
}

const NEWLINE = '\n';
const VERSION_UNKNOWN = 'RECORD_VERSION_UNKNOWN';

/**
 * Records of one lane that were read and not yet applied, in order and without a gap: the first is the one at
 * `position`, and the next read starts where the last one ends. It is filled only when it is empty, so a read's bounds
 * are its bounds.
 */
export class Mailbox {
  readonly #lane: Lane;
  readonly #decode: RecordDecoder;
  readonly #frames: LogFrame[] = [];
  #decoded: MailboxRecord[] = [];
  /** How many of `#decoded` are taken. */
  #taken = 0;
  #position: number;
  #readFrom: number;
  #unreadable: unknown = null;

  constructor(lane: Lane, position: Offset, decode: RecordDecoder) {
    this.#lane = lane;
    this.#decode = decode;
    this.#position = position;
    this.#readFrom = position;
  }

  /** The next offset to be applied. */
  get position(): Offset {
    return this.#position as Offset;
  }

  /** The next offset to be read. */
  get readFrom(): Offset {
    return this.#readFrom as Offset;
  }

  get isEmpty(): boolean {
    return this.#position === this.#readFrom;
  }

  push(frames: readonly LogFrame[]): void {
    for (const frame of frames) {
      if (frame.lastOffset < this.#readFrom) continue;
      assert(frame.firstOffset <= this.#readFrom, 'a read answers the frame that holds its offset');
      this.#frames.push(frame);
      this.#readFrom = frame.lastOffset + 1;
    }
  }

  /**
   * Up to `count` records from the position on, decoded; they stay until `take`.
   * @throws the decoder's error, when the very first is of a version that this build must not touch.
   */
  peek(count: number): readonly MailboxRecord[] {
    while (this.#decoded.length - this.#taken < count && this.#unreadable === null && this.#decodeFrame());
    if (this.#unreadable !== null && this.#taken === this.#decoded.length) throw this.#unreadable;
    return this.#decoded.slice(this.#taken, this.#taken + count);
  }

  /** The first `count` records are applied. */
  take(count: number): void {
    this.#taken += count;
    this.#position += count;
    assert(this.#taken <= this.#decoded.length, 'only records that were seen are taken');
    if (this.#taken === this.#decoded.length) {
      this.#decoded = [];
      this.#taken = 0;
    }
  }

  #decodeFrame(): boolean {
    const frame = this.#frames.shift();
    if (frame === undefined) return false;
    const { firstOffset, appendedAtMs } = frame;
    const lines = frame.body.toString('utf8').split(NEWLINE);
    assert(lines.length === frame.lastOffset - firstOffset + 1, 'a frame holds as many lines as offsets');
    const next = this.#position + this.#decoded.length - this.#taken;
    for (let at = next - firstOffset; at < lines.length; at++) {
      const line = lines[at] as string;
      const decoded = this.#decodeLine(line);
      if (this.#unreadable !== null) return false;
      this.#decoded.push({ lane: this.#lane, offset: (firstOffset + at) as Offset, appendedAtMs, line, decoded });
    }
    return true;
  }

  #decodeLine(line: string): DecodedRecord | null {
    try {
      return this.#decode(line);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === VERSION_UNKNOWN) this.#unreadable = error;
      return null;
    }
  }
}
