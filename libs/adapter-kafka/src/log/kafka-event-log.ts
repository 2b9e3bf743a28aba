import type { LogId, Offset, Partition } from '@breakwater/twin';
import {
  type AppendRequest,
  type AppendResult,
  type EventLog,
  type Lane,
  LANES,
  type LogBounds,
  PlatformError,
  type ReadBatch,
  type ReadLimits,
  type ReadRequest,
} from '@breakwater/twin-runtime';

import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import type { BrokerConnections } from './broker-connections.ts';
import { connectionsOf } from './connections-of.ts';
import { fetchRequest } from './fetch-request.ts';
import { LogAppender } from './log-appender.ts';
import { LogReader } from './log-reader.ts';
import { LogTopology } from './log-topology.ts';
import { kafkaUnavailable, OffsetLookup } from './offset-lookup.ts';
import { type RecordCompression, RecordBatchEncoder } from './record-batch-encoder.ts';

export interface KafkaEventLogOptions {
  readonly connection: KafkaConnectionOptions;
  readonly topicPrefix: string;
  readonly compression: RecordCompression;
  readonly frameBytesMax: number;
  /** CloudEvents' attributes in each record, for other readers of the topics. True by default. */
  readonly headers?: boolean;
  /**
   * Whether `trim` deletes records. By default it leaves them to the retention of the topics, so that others can read
   * what the platform itself is done with.
   */
  readonly trims?: boolean;
  /** How long an append waits for its outcome before it rejects. */
  readonly answerWithinMs?: number;
}

/** What a log and its readers share. */
interface LogParts {
  readonly options: KafkaEventLogOptions;
  readonly topology: LogTopology;
  readonly offsets: OffsetLookup;
  readonly connections: BrokerConnections;
  readonly appender: LogAppender;
}

const ANSWER_WITHIN_MS = 1_000;
/** A fetch answers with a whole batch, however little is asked for. */
const ONE_BATCH = { waitMs: 0, partitionBytesMax: 1, bytesMax: 1 };

/**
 * The log on Kafka: a topic per lane, a record per event, and a frame is a batch. A batch keeps the first and last
 * offset and is answered whole when an offset inside of it is asked for, so frames are here what they are in every
 * other log.
 *
 * What Kafka does otherwise (ADR 0011): a lane has no budget in bytes but the retention of its topic, so that nothing
 * is ever refused as LANE_FULL for it; and a producer is fenced in this process alone.
 */
export class KafkaEventLog implements EventLog {
  readonly #parts: LogParts;
  readonly #reader: LogReader<Lane>;
  readonly #isReader: boolean;
  #lastRead: Promise<void> = Promise.resolve();

  private constructor(parts: LogParts, isReader: boolean) {
    this.#parts = parts;
    this.#isReader = isReader;
    this.#reader = new LogReader(parts.topology, connectionsOf(parts.options.connection));
  }

  /** Answers at once; brokers are asked when they are first needed. */
  static open(options: KafkaEventLogOptions): KafkaEventLog {
    const topology = new LogTopology({ ...options.connection, topicPrefix: options.topicPrefix, roles: LANES });
    const connections = connectionsOf(options.connection);
    const encoder = new RecordBatchEncoder({
      compression: options.compression,
      eventTypePrefix: options.topicPrefix,
      headers: options.headers ?? true,
    });
    const { frameBytesMax, answerWithinMs = ANSWER_WITHIN_MS } = options;
    const appender = new LogAppender({ topology, connections, encoder, frameBytesMax, answerWithinMs });
    return new KafkaEventLog({ options, topology, offsets: new OffsetLookup(topology), connections, appender }, false);
  }

  /** Another reader with connections of its own, on the same log. */
  reader(): KafkaEventLog {
    return new KafkaEventLog(this.#parts, true);
  }

  logId(): Promise<LogId> {
    return this.#parts.topology.logId().catch(kafkaUnavailable);
  }

  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    return this.#parts.appender.append(requests);
  }

  /** A reader follows the partitions of its last call, so callers that come together are served one after another. */
  read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]> {
    const read = this.#lastRead.then(() => this.#reader.read(requests, limits));
    this.#lastRead = read.then(
      () => undefined,
      () => undefined,
    );
    return read;
  }

  /** `bytes` is 0: Kafka would have to be asked for the files of the partition, and nothing hangs on it. */
  async bounds(lane: Lane, partition: Partition): Promise<LogBounds> {
    const { first, end } = await this.#parts.offsets.bounds(lane, partition);
    return { first: first as Offset, end: end as Offset, bytes: 0 };
  }

  async trim(lane: Lane, partition: Partition, before: Offset): Promise<void> {
    if (this.#parts.options.trims !== true) return;
    const { first, end } = await this.bounds(lane, partition);
    if (before <= first) return;
    const offset = before >= end ? end : await this.#batchStart(lane, partition, before);
    if (offset <= first) return;
    const name = this.#parts.topology.topicOf(lane);
    const topics = [{ name, partitions: [{ partition, offset: BigInt(offset) }] }];
    await this.#parts.topology.admin.deleteRecords({ topics }).catch(kafkaUnavailable);
  }

  /** Nothing to do: Kafka forgets an idle producer after a day, and takes its next append all the same. */
  async keepProducer(): Promise<void> {}

  fenceProducer(producerId: string, partitions: readonly Partition[]): Promise<void> {
    return this.#parts.appender.fence(producerId, partitions);
  }

  /** A reader closes what it has of its own. */
  async close(): Promise<void> {
    this.#reader.close();
    if (this.#isReader) return;
    const { appender, connections, topology } = this.#parts;
    appender.close();
    connections.close();
    await topology.close();
  }

  /** The first offset of the batch that holds one: only whole frames are forgotten. */
  async #batchStart(lane: Lane, partition: Partition, from: Offset): Promise<number> {
    const leader = await this.#parts.topology.leaderOf(lane, partition);
    if (leader === null) throw new PlatformError('BACKEND_UNAVAILABLE', 'the partition has no leader');
    const topicId = await this.#parts.topology.topicIdOf(lane);
    const answer = await this.#parts.connections.ask(leader, fetchRequest([{ topicId, partition, from }], ONE_BATCH));
    return answer.partitions[0]?.decode().frames[0]?.firstOffset ?? 0;
  }
}
