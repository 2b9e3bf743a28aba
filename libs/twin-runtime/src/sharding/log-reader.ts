import type { Partition } from '@breakwater/twin';

import type { PlatformError } from '../platform-error.ts';
import { LANES, type ReadRequest } from '../ports/event-log.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import type { ShardTable } from './shard-table.ts';

/** What is assumed of a frame before one was seen: large, because the first read after an outage meets a backlog. */
const FIRST_FRAME_BYTES = 256 * 1024;
/** How slowly a large frame is forgotten. */
const DECAY = 0.8;
const OUT_OF_RANGE = 'POSITION_OUT_OF_RANGE';
const BATCH_UNREADABLE = 'LOG_BATCH_UNREADABLE';

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
      const batches = await this.#parts.log.read(requests, { framesMaxPerPartition, waitMs, mayMiss: true });
      for (const { lane, partition, frames } of batches) {
        // The shard may have ended meanwhile, and a successor may have begun elsewhere in the log.
        const shard = shards.find((each) => each.partition === partition);
        if (shard?.isAlive === true) shard.mailboxes[lane].push(frames);
        for (const frame of frames) this.#frameBytes = Math.max(this.#frameBytes, frame.body.length);
      }
      if (batches.length > 0) this.#frameBytes = Math.max(1, DECAY * this.#frameBytes);
    } catch (error) {
      await this.#endUnreadable(requests, error);
    }
  }

  /**
   * One partition that cannot be read must not keep the others of the region from being read: its shard ends, or stops
   * where no successor would fare better. What says of no partition that it is the reason is thrown on.
   */
  async #endUnreadable(requests: readonly ReadRequest[], error: unknown): Promise<void> {
    const { code, details } = error as Partial<PlatformError>;
    if (code === OUT_OF_RANGE && (await this.#endOutOfRange(requests, error))) return;
    const shard = this.#shardAt(details);
    if (shard !== null && code === OUT_OF_RANGE) this.#table.end(shard, 'positionLost', error);
    else if (shard !== null && code === BATCH_UNREADABLE) this.#table.stopLoudly(shard.partition, error);
    else throw error;
  }

  /**
   * The log does not have what this owner thinks is next. Perhaps only the owner is behind: then its successor starts
   * where the store says. If the store says the same, the start of the successor stops the partition loudly.
   *
   * Answers whether there was any such; else the log has a hole.
   */
  async #endOutOfRange(requests: readonly ReadRequest[], error: unknown): Promise<boolean> {
    let hasEnded = false;
    for (const { lane, partition, from } of requests) {
      const { first, end } = await this.#parts.log.bounds(lane, partition);
      const shard = this.#table.shardOf(partition);
      if (shard === null || shard.mailboxes[lane].readFrom !== from || (from >= first && from <= end)) continue;
      this.#table.end(shard, 'positionLost', error);
      hasEnded = true;
    }
    return hasEnded;
  }

  /** The shard that reads on at the place that an error names; null when it names none, or nobody reads on there. */
  #shardAt(details: PlatformError['details'] = {}): Shard | null {
    const { lane, partition, from } = details;
    const shard = this.#table.shardOf(partition as Partition);
    const place = LANES.find((each) => each === lane);
    return shard !== null && place !== undefined && shard.mailboxes[place].readFrom === from ? shard : null;
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
