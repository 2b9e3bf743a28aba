/** The records of one tenant in the queue of a gateway, over all lanes and partitions. */
export interface QueueShare {
  /** Kept by the queue alone. */
  queuedBytes: number;
}

export interface FrameLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

/** What the order of records depends on. */
export interface SharedRecord {
  readonly bytes: number;
  readonly share: QueueShare;
}

/**
 * The records that wait for one lane of one partition, and the next frame of them. Those of one tenant leave in the
 * order in which they came. When several tenants wait, each has an equal part of a frame, as far as it needs it, so
 * what one of them sends too much waits behind its own records and not before those of others.
 *
 * As long as only one tenant waits, which is nearly always, this is a plain list.
 */
export class WaitingRecords<WaitingRecord extends SharedRecord> {
  /** Whose records wait while they are of one tenant. */
  #share: QueueShare | null = null;
  #records: WaitingRecord[] = [];
  /** Who was served last stands last. Null while one tenant waits. */
  #lines: Map<QueueShare, WaitingRecord[]> | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(record: WaitingRecord): void {
    this.#length += 1;
    if (this.#lines !== null) return this.#pushToLine(this.#lines, record);
    if (this.#records.length > 0 && this.#share !== record.share) {
      this.#lines = new Map([[this.#share as QueueShare, this.#records]]);
      this.#records = [];
      return this.#pushToLine(this.#lines, record);
    }
    this.#share = record.share;
    this.#records.push(record);
  }

  /** Takes the next frame's records out. A first record is always taken, however large it is. */
  take(limits: FrameLimits): readonly WaitingRecord[] {
    if (this.#lines === null) {
      const count = countWithin(this.#records, limits, true);
      const taken = count === this.#records.length ? this.#records : this.#records.slice(0, count);
      this.#records = count === this.#records.length ? [] : this.#records.slice(count);
      this.#length -= taken.length;
      return taken;
    }
    const taken: WaitingRecord[] = [];
    let bytesLeft = limits.bytesMax;
    const takeFrom = (line: WaitingRecord[], part: FrameLimits): number => {
      const bytesMax = Math.min(part.bytesMax, bytesLeft);
      const count = countWithin(line, { recordsMax: part.recordsMax, bytesMax }, taken.length === 0);
      for (const record of line.splice(0, count)) {
        bytesLeft -= record.bytes;
        taken.push(record);
      }
      return count;
    };
    this.#takeParts(this.#lines, limits, takeFrom);
    // What the parts left over goes to whoever still has something, in the same order.
    for (const line of this.#lines.values()) {
      takeFrom(line, { recordsMax: limits.recordsMax - taken.length, bytesMax: bytesLeft });
    }
    this.#length -= taken.length;
    this.#forgetEmptyLines(this.#lines);
    return taken;
  }

  takeAll(): readonly WaitingRecord[] {
    const all = this.#lines === null ? this.#records : [...this.#lines.values()].flat();
    this.#records = [];
    this.#lines = null;
    this.#length = 0;
    return all;
  }

  #pushToLine(lines: Map<QueueShare, WaitingRecord[]>, record: WaitingRecord): void {
    const line = lines.get(record.share);
    if (line === undefined) lines.set(record.share, [record]);
    else line.push(record);
  }

  /** An equal part of a frame to each, and who had his stands behind the others for the next frame. */
  #takeParts(
    lines: Map<QueueShare, WaitingRecord[]>,
    { recordsMax, bytesMax }: FrameLimits,
    takeFrom: (line: WaitingRecord[], part: FrameLimits) => number,
  ): void {
    const parts = Math.min(lines.size, recordsMax);
    const part = { recordsMax: Math.floor(recordsMax / parts), bytesMax: bytesMax / parts };
    for (const [share, line] of [...lines].slice(0, parts)) {
      // Whose next record was larger than his part stands first in the next frame, which takes it however large it is.
      if (takeFrom(line, part) === 0) continue;
      lines.delete(share);
      lines.set(share, line);
    }
  }

  #forgetEmptyLines(lines: Map<QueueShare, WaitingRecord[]>): void {
    for (const [share, line] of lines) if (line.length === 0) lines.delete(share);
    if (lines.size > 1) return;
    const [last] = lines;
    this.#lines = null;
    if (last !== undefined) [this.#share, this.#records] = last;
  }
}

function countWithin(records: readonly SharedRecord[], limits: FrameLimits, takesFirst: boolean): number {
  let bytes = 0;
  let count = 0;
  for (const record of records) {
    const isFull = count >= limits.recordsMax || bytes + record.bytes > limits.bytesMax;
    if (isFull && (count > 0 || !takesFirst)) break;
    bytes += record.bytes;
    count += 1;
  }
  return count;
}
