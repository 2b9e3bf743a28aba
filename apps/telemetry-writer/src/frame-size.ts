import type { LogFrame } from '@breakwater/twin-runtime';

/** What is assumed of a frame before one was seen: the log's own ceiling, since the first read may meet a backlog. */
const FIRST_FRAME_BYTES = 1024 * 1024;
/** How slowly a large frame is forgotten. */
const DECAY = 0.8;

/**
 * About the largest frame of late. The log counts a read in frames, whose size hangs on the load; memory is counted in
 * bytes. So how many frames a read asks for follows from this.
 */
export class FrameSize {
  #bytes = FIRST_FRAME_BYTES;

  /** How many frames fit into so many bytes; at least one, or nothing would ever be read. */
  framesIn(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.#bytes));
  }

  /** Learns from the frames of one read. */
  learn(frames: readonly LogFrame[]): void {
    if (frames.length === 0) return;
    const largest = frames.reduce((bytes, { body }) => Math.max(bytes, body.length), 1);
    this.#bytes = Math.max(largest, DECAY * this.#bytes);
  }
}
