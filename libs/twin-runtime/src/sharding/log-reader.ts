import { LANES, type ReadRequest } from '../ports/event-log.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import type { ShardTable } from './shard-table.ts';

/** What is assumed of a frame before one was seen: large, because the first read after an outage meets a backlog. */
const FIRST_FRAME_BYTES = 256 * 1024;
/** How slowly a large frame is forgotten. */
const DECAY = 0.8;
const OUT_OF_RANGE = 'POSITION_OUT_OF_RANGE';

/** Fills the mailboxes of all shards with one read. */
export class LogReader {
  readonly #parts: RegionParts;
  readonly #table: ShardTable;
  /** About the largest frame of late; how many frames a read may bring hangs on it. */
  #frameBytes = FIRST_FRAME_BYTES;

  constructor(parts: RegionParts, table: ShardTable) {
    this.#parts = parts;
    this.#table = table;
  }

  /** Waits for something only when no shard has anything to do. */
  async fill(shards: readonly Shard[]): Promise<void> {
    const requests = requestsOf(shards);
    if (requests.length === 0) return;
    const { framesPerReadMax, bytesPerReadMax, readWaitMs } = this.#parts.limits;
    const waitMs = shards.some((shard) => shard.hasMail) ? 0 : readWaitMs;
    const affordable = Math.floor(bytesPerReadMax / (requests.length * this.#frameBytes));
    const framesMaxPerPartition = Math.max(1, Math.min(framesPerReadMax, affordable));
    try {
      const batches = await this.#parts.log.read(requests, { framesMaxPerPartition, waitMs });
      for (const { lane, partition, frames } of batches) {
        // The shard may have ended meanwhile, and a successor may have begun elsewhere in the log.
        const shard = shards.find((each) => each.partition === partition);
        if (shard?.isAlive === true) shard.mailboxes[lane].push(frames);
        for (const frame of frames) this.#frameBytes = Math.max(this.#frameBytes, frame.body.length);
      }
      if (batches.length > 0) this.#frameBytes = Math.max(1, DECAY * this.#frameBytes);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== OUT_OF_RANGE) throw error;
      await this.#endOutOfRange(requests, error);
    }
  }

  /**
   * The log does not have what this owner thinks is next. Perhaps only the owner is behind: then its successor starts
   * where the store says. If the store says the same, the start of the successor stops the partition loudly.
   */
  async #endOutOfRange(requests: readonly ReadRequest[], error: unknown): Promise<void> {
    for (const { lane, partition, from } of requests) {
      const { first, end } = await this.#parts.log.bounds(lane, partition);
      const shard = this.#table.shardOf(partition);
      if (shard === null || shard.mailboxes[lane].readFrom !== from) continue;
      if (from < first || from > end) this.#table.end(shard, 'positionLost', error);
    }
  }
}

/** Control first. A lane is read again when its mailbox is empty; control never waits for telemetry's. */
function requestsOf(shards: readonly Shard[]): ReadRequest[] {
  const requests: ReadRequest[] = [];
  for (const lane of LANES) {
    for (const { partition, mailboxes } of shards) {
      const mailbox = mailboxes[lane];
      if (mailbox.isEmpty) requests.push({ lane, partition, from: mailbox.readFrom });
    }
  }
  return requests;
}
