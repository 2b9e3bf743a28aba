import { assert, type Offset, type Partition } from '@breakwater/twin';
import type { EventLog, LogFrame } from '@breakwater/twin-runtime';

/**
 * Frames of the telemetry lane that were read and not yet stored. Reads go on behind what is here already, so that no
 * frame is fetched twice, and stop at the byte limits.
 */
export class LogBuffer {
  readonly #log: EventLog;
  readonly #framesMaxPerRead: number;
  readonly #bytesMax: number;
  readonly #partitions = new Map<Partition, { position: Offset; readEnd: Offset; frames: LogFrame[] }>();
  #bytes = 0;

  constructor(
    log: EventLog,
    limits: { readonly framesMaxPerRead: number; readonly bytesMax: number },
    positions: ReadonlyMap<Partition, Offset>,
  ) {
    this.#log = log;
    this.#framesMaxPerRead = limits.framesMaxPerRead;
    this.#bytesMax = limits.bytesMax;
    for (const [partition, position] of positions) {
      this.#partitions.set(partition, { position, readEnd: position, frames: [] });
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  get partitions(): readonly Partition[] {
    return [...this.#partitions.keys()];
  }

  /** Partitions that have frames, ascending, with where to start in them. */
  pending(): readonly { readonly partition: Partition; readonly from: Offset; readonly frames: readonly LogFrame[] }[] {
    return [...this.#partitions]
      .filter(([, { frames }]) => frames.length > 0)
      .map(([partition, { position, frames }]) => ({ partition, from: position, frames }))
      .toSorted((a, b) => a.partition - b.partition);
  }

  /** Reads once. Waits only while there is nothing here at all. Answers whether anything came. */
  async fill(waitMs: number): Promise<boolean> {
    const share = this.#bytesMax / this.#partitions.size;
    if (this.#bytes >= this.#bytesMax) return false;
    const requests = [...this.#partitions]
      .filter(([, { frames }]) => frames.reduce((bytes, frame) => bytes + frame.body.length, 0) < share)
      .map(([partition, { readEnd }]) => ({ lane: 'telemetry' as const, partition, from: readEnd }));
    if (requests.length === 0) return false;
    const batches = await this.#log.read(requests, {
      framesMaxPerPartition: this.#framesMaxPerRead,
      waitMs: this.#bytes > 0 ? 0 : waitMs,
    });
    let came = false;
    for (const { partition, frames } of batches) {
      for (const frame of frames) came = this.#add(partition, frame) || came;
    }
    return came;
  }

  /** Forgets what lies before the new positions. */
  advance(positions: ReadonlyMap<Partition, Offset>): void {
    for (const [partition, position] of positions) {
      const state = this.#partitions.get(partition);
      // A partition that was taken out keeps its position in every later plan, and has nothing here to forget.
      if (state === undefined) continue;
      assert(position >= state.position, 'a position never goes back');
      state.position = position;
      while (state.frames[0] !== undefined && state.frames[0].lastOffset < position) {
        this.#bytes -= state.frames[0].body.length;
        state.frames.shift();
      }
    }
  }

  /** Takes a partition out: nothing more of it is read. */
  drop(partition: Partition): void {
    const state = this.#partitions.get(partition);
    for (const frame of state?.frames ?? []) this.#bytes -= frame.body.length;
    this.#partitions.delete(partition);
  }

  #add(partition: Partition, frame: LogFrame): boolean {
    const state = this.#partitions.get(partition);
    if (state === undefined || frame.lastOffset < state.readEnd) return false;
    assert(frame.firstOffset <= state.readEnd, `no gap in partition ${partition} before offset ${frame.firstOffset}`);
    state.frames.push(frame);
    state.readEnd = (frame.lastOffset + 1) as Offset;
    this.#bytes += frame.body.length;
    return true;
  }
}
