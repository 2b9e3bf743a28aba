import { assert, type Offset, type Partition } from '@breakwater/twin';
import type { EventLog, LogFrame, ReadLimits, ReadRequest } from '@breakwater/twin-runtime';

import { FrameSize } from './frame-size.ts';

interface BufferedPartition {
  position: Offset;
  readEnd: Offset;
  frames: LogFrame[];
  bytes: number;
  /** Nothing behind `readEnd` is asked for any more. */
  sealed: boolean;
}

/**
 * Frames of the telemetry lane that were read and not yet stored. Reads go on behind what is here already, so that no
 * frame is fetched twice, ask for no more than there is room for, and stop at the byte limits.
 */
export class LogBuffer {
  readonly #log: EventLog;
  readonly #framesMaxPerRead: number;
  readonly #bytesMax: number;
  readonly #partitions = new Map<Partition, BufferedPartition>();
  readonly #frameSize = new FrameSize();
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
      this.#partitions.set(partition, { position, readEnd: position, frames: [], bytes: 0, sealed: false });
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Behind the positions. */
  get records(): number {
    let records = 0;
    for (const { position, readEnd } of this.#partitions.values()) records += readEnd - position;
    return records;
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

  /** Reads until something came or all were asked, and answers which. Waits only while there is nothing here at all. */
  async fill(waitMs: number): Promise<boolean> {
    const readable = [...this.#partitions].filter(([, { sealed }]) => !sealed);
    const share = this.#bytesMax / readable.length;
    if (this.#bytes >= this.#bytesMax) return false;
    const requests = readable
      .filter(([, { bytes }]) => bytes < share)
      // Those with the least come first: where a read cannot ask for all, nobody is left out for long.
      .toSorted(([, a], [, b]) => a.frames.length - b.frames.length)
      .map(([partition, { readEnd }]) => ({ lane: 'telemetry' as const, partition, from: readEnd }));
    let came = false;
    while (requests.length > 0 && !came) {
      const frames = this.#frameSize.framesIn(this.#bytesMax - this.#bytes);
      const asked = requests.splice(0, frames);
      // Waiting for some of the partitions would keep the others waiting.
      const all = asked.length === readable.length;
      came = await this.#read(asked, {
        framesMaxPerPartition: Math.min(this.#framesMaxPerRead, Math.max(1, Math.floor(frames / asked.length))),
        waitMs: all && this.#bytes === 0 ? waitMs : 0,
        mayMiss: true,
      });
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
      let passed = 0;
      let bytes = 0;
      for (const frame of state.frames) {
        if (frame.lastOffset >= position) break;
        passed += 1;
        bytes += frame.body.length;
      }
      state.frames.splice(0, passed);
      state.bytes -= bytes;
      this.#bytes -= bytes;
    }
  }

  /** Reads nothing more of a partition that reads on at an offset; what is here of it is still to be stored. */
  seal(partition: Partition, at: unknown): boolean {
    const state = this.#partitions.get(partition);
    if (state === undefined || state.sealed || state.readEnd !== at) return false;
    state.sealed = true;
    return true;
  }

  /** Takes a partition out, with what is here of it. */
  drop(partition: Partition): void {
    const state = this.#partitions.get(partition);
    this.#bytes -= state?.bytes ?? 0;
    this.#partitions.delete(partition);
  }

  async #read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<boolean> {
    const batches = await this.#log.read(requests, limits);
    this.#frameSize.learn(batches.flatMap(({ frames }) => frames));
    let came = false;
    for (const { partition, frames } of batches) {
      for (const frame of frames) came = this.#add(partition, frame) || came;
    }
    return came;
  }

  #add(partition: Partition, frame: LogFrame): boolean {
    const state = this.#partitions.get(partition);
    if (state === undefined || frame.lastOffset < state.readEnd) return false;
    assert(frame.firstOffset <= state.readEnd, `no gap in partition ${partition} before offset ${frame.firstOffset}`);
    state.frames.push(frame);
    state.readEnd = (frame.lastOffset + 1) as Offset;
    state.bytes += frame.body.length;
    this.#bytes += frame.body.length;
    return true;
  }
}
