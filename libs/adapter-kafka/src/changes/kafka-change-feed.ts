import type { DeviceKey, Partition } from '@breakwater/twin';
import {
  type ChangeFeed,
  type ChangeRecord,
  type FeedEntry,
  type LogFrame,
  PlatformError,
} from '@breakwater/twin-runtime';

import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import type { BrokerConnections } from '../log/broker-connections.ts';
import { connectionsOf } from '../log/connections-of.ts';
import { type FetchedPartition, fetchRequest, type FetchLimits } from '../log/fetch-request.ts';
import { KAFKA_CODES } from '../log/kafka-codes.ts';
import { LogAppender } from '../log/log-appender.ts';
import { LogReader } from '../log/log-reader.ts';
import { LogTopology } from '../log/log-topology.ts';
import { kafkaUnavailable, OffsetLookup } from '../log/offset-lookup.ts';
import { type RecordCompression, RecordBatchEncoder } from '../log/record-batch-encoder.ts';
import { decodeChangeLine } from './change-line.ts';
import { ChangePublisher } from './change-publisher.ts';
import { ChangeReader, type ChangeReaderLimits } from './change-reader.ts';

export interface KafkaChangeFeedOptions {
  readonly connection: KafkaConnectionOptions;
  readonly topicPrefix: string;
  readonly compression: RecordCompression;
  /** Of the log: topics take batches of a multiple of it. */
  readonly frameBytesMax: number;
  /** How far behind the end of a partition `since` still answers, in changes; Kafka keeps far more. */
  readonly entriesKept: number;
  /** How long `publish` waits for its outcome before it rejects. */
  readonly answerWithinMs?: number;
}

const CHANGES = 'changes';
const ANSWER_WITHIN_MS = 2_000;
/** A change is a whole twin with what is derived from it, and can be larger than a frame of the log. */
const FRAMES_PER_CHANGE_MAX = 4;
/** How long somebody who asks for single changes is kept waiting while a partition moves to another broker. */
const FETCH_PATIENCE_MS = 5_000;
const FETCH_REST_MS = 100;
/** A fetch answers with a whole batch, however little is asked for. */
const ONE_BATCH = { waitMs: 0, partitionBytesMax: 1, bytesMax: 1 };
const SCAN = { waitMs: 0, partitionBytesMax: 1024 * 1024, bytesMax: 1024 * 1024 };

/**
 * The feed of changes as a topic of Kafka, a record per change, for the platform's own readers and for anybody else's.
 * The cursor of a change is its offset and one: the first has 1, as in every feed.
 *
 * It is kept as long as the topic keeps it, so the history of twins bridges an outage of ClickHouse of that length.
 * Live views are not sent days of changes: `since` answers a gap where they would have to be searched.
 */
export class KafkaChangeFeed implements ChangeFeed {
  readonly #options: KafkaChangeFeedOptions;
  readonly #topology: LogTopology;
  readonly #offsets: OffsetLookup;
  readonly #connections: BrokerConnections;
  readonly #appender: LogAppender;
  readonly #publishers = new Map<Partition, ChangePublisher>();
  readonly #log: LogReader<'changes'>;
  readonly #reader: ChangeReader;

  /** Answers at once; brokers are asked when they are first needed. */
  constructor(options: KafkaChangeFeedOptions) {
    const { connection, topicPrefix, compression, frameBytesMax, answerWithinMs = ANSWER_WITHIN_MS } = options;
    this.#options = options;
    this.#topology = new LogTopology({ ...connection, topicPrefix, roles: [CHANGES] });
    this.#offsets = new OffsetLookup(this.#topology);
    this.#connections = connectionsOf(connection);
    this.#appender = new LogAppender({
      ...{ topology: this.#topology, connections: this.#connections, answerWithinMs },
      encoder: new RecordBatchEncoder({ compression, eventTypePrefix: topicPrefix, headers: true }),
      frameBytesMax: FRAMES_PER_CHANGE_MAX * frameBytesMax,
    });
    this.#log = new LogReader<'changes'>(this.#topology, connectionsOf(connection));
    this.#reader = new ChangeReader(this.#log, (partition) => this.#offsets.bounds(CHANGES, partition));
  }

  async feedId(): Promise<string> {
    await this.#topology.refresh().catch(kafkaUnavailable);
    return `kafka.${await this.#topology.topicIdOf(CHANGES)}`;
  }

  async publish(partition: Partition, changes: readonly ChangeRecord[]): Promise<void> {
    if (changes.length === 0) return;
    let publisher = this.#publishers.get(partition);
    if (publisher === undefined) {
      publisher = new ChangePublisher({
        ...{ partition, batchBytesMax: this.#options.frameBytesMax },
        append: (frames) => this.#appender.append(frames),
      });
      this.#publishers.set(partition, publisher);
    }
    await publisher.publish(changes);
  }

  read(cursors: ReadonlyMap<Partition, string>, limits: ChangeReaderLimits): Promise<readonly FeedEntry[]> {
    return this.#reader.read(cursors, limits);
  }

  async since(
    partition: Partition,
    key: DeviceKey,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly gap: boolean }> {
    const { first, end } = await this.#offsets.bounds(CHANGES, partition);
    let next = Number(cursor);
    // A cursor beyond the end is of another feed: nobody knows what came after it.
    if (next > end || next < Math.max(first, end - this.#options.entriesKept)) return { entries: [], gap: true };
    const entries: FeedEntry[] = [];
    while (next < end && entries.length < limit) {
      const read = await this.#fetch(partition, next, SCAN);
      if (read === null || read.length === 0) return { entries, gap: true };
      next = Number(read.at(-1)!.cursor);
      entries.push(...read.filter(({ change }) => change.key === key));
    }
    return { entries: entries.slice(0, limit), gap: false };
  }

  async entryAt(partition: Partition, cursor: string): Promise<FeedEntry | null> {
    if (Number(cursor) < 1) return null;
    const read = await this.#fetch(partition, Number(cursor) - 1, ONE_BATCH);
    return read?.[0] ?? null;
  }

  async end(partition: Partition): Promise<string> {
    return String(await this.#offsets.end(CHANGES, partition));
  }

  close(): void {
    this.#log.close();
    this.#appender.close();
    this.#connections.close();
    void this.#topology.close().catch(() => undefined);
  }

  /** The changes from one offset on, as many as come at once. Null where the topic does not hold it. */
  async #fetch(partition: Partition, from: number, limits: FetchLimits): Promise<readonly FeedEntry[] | null> {
    const deadlineMs = performance.now() + FETCH_PATIENCE_MS;
    for (;;) {
      try {
        const answer = await this.#ask(partition, from, limits);
        if (answer.errorCode === KAFKA_CODES.offsetOutOfRange) return null;
        if (answer.errorCode !== KAFKA_CODES.none) throw new Error(`Kafka answered ${answer.errorCode}`);
        const { frames, error } = answer.decode();
        if (error !== null && frames.length === 0) throw error;
        return entriesOf(partition, from, frames);
      } catch (error) {
        if (error instanceof PlatformError) throw error;
        if (performance.now() > deadlineMs) kafkaUnavailable(error);
      }
      await new Promise((resolve) => setTimeout(resolve, FETCH_REST_MS));
      await this.#topology.refresh().catch(() => undefined);
    }
  }

  async #ask(partition: Partition, from: number, limits: FetchLimits): Promise<FetchedPartition> {
    const leader = await this.#topology.leaderOf(CHANGES, partition);
    if (leader === null) throw new Error(`partition ${partition} has no leader`);
    const topicId = await this.#topology.topicIdOf(CHANGES);
    const answer = await this.#connections.ask(leader, fetchRequest([{ topicId, partition, from }], limits));
    const [found] = answer.partitions;
    if (found === undefined) throw new Error(`Kafka answered ${answer.errorCode}`);
    return found;
  }
}

function entriesOf(partition: Partition, from: number, frames: readonly LogFrame[]): readonly FeedEntry[] {
  return frames.flatMap(({ firstOffset, body }) =>
    body
      .toString()
      .split('\n')
      .flatMap((line, index) => {
        const offset = firstOffset + index;
        return offset < from ? [] : [{ partition, cursor: String(offset + 1), change: decodeChangeLine(line) }];
      }),
  );
}
