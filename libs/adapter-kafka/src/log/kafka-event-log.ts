import type { LogId, Offset, Partition } from '@breakwater/twin';
import {
  type AppendRequest,
  type AppendResult,
  type EventLog,
  type Lane,
  type LogBounds,
  PlatformError,
  type ReadBatch,
  type ReadLimits,
  type ReadRequest,
} from '@breakwater/twin-runtime';
import { ListOffsetTimestamps } from '@platformatic/kafka';

import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import { BrokerConnections } from './broker-connections.ts';
import { REQUESTS_IN_FLIGHT_MAX } from './broker-sender.ts';
import { fetchRequest } from './fetch-request.ts';
import { LogAppender } from './log-appender.ts';
import { LogReader } from './log-reader.ts';
import { LogTopology } from './log-topology.ts';
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
  readonly connections: BrokerConnections;
  readonly appender: LogAppender;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Longer than Kafka needs to depose a leader that hangs, after which the same request goes to the next one. */
const REQUEST_TIMEOUT_MS = 20_000;
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
  readonly #reader: LogReader;
  readonly #isReader: boolean;
  #lastRead: Promise<void> = Promise.resolve();

  private constructor(parts: LogParts, isReader: boolean) {
    this.#parts = parts;
    this.#isReader = isReader;
    this.#reader = new LogReader(parts.topology, connectionsOf(parts.options));
  }

  /** Answers at once; brokers are asked when they are first needed. */
  static open(options: KafkaEventLogOptions): KafkaEventLog {
    const topology = new LogTopology({ ...options.connection, topicPrefix: options.topicPrefix });
    const connections = connectionsOf(options);
    const encoder = new RecordBatchEncoder({
      compression: options.compression,
      eventTypePrefix: options.topicPrefix,
      headers: options.headers ?? true,
    });
    const { frameBytesMax, answerWithinMs = ANSWER_WITHIN_MS } = options;
    const appender = new LogAppender({ topology, connections, encoder, frameBytesMax, answerWithinMs });
    return new KafkaEventLog({ options, topology, connections, appender }, false);
  }

  /** Another reader with connections of its own, on the same log. */
  reader(): KafkaEventLog {
    return new KafkaEventLog(this.#parts, true);
  }

  logId(): Promise<LogId> {
    return this.#parts.topology.logId();
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
    const [first, end] = await Promise.all([
      this.#offsetAt(lane, partition, ListOffsetTimestamps.EARLIEST),
      this.#offsetAt(lane, partition, ListOffsetTimestamps.LATEST),
    ]);
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
    await this.#parts.topology.admin.deleteRecords({ topics }).catch(unavailable);
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

  async #offsetAt(lane: Lane, partition: Partition, timestamp: bigint): Promise<number> {
    const name = this.#parts.topology.topicOf(lane);
    const partitions = [{ partitionIndex: partition, timestamp }];
    const topics = await this.#parts.topology.admin.listOffsets({ topics: [{ name, partitions }] }).catch(unavailable);
    return Number(topics[0]!.partitions[0]!.offset);
  }

  /** The first offset of the batch that holds one: only whole frames are forgotten. */
  async #batchStart(lane: Lane, partition: Partition, from: Offset): Promise<number> {
    const leader = await this.#parts.topology.leaderOf(lane, partition);
    if (leader === null) throw new PlatformError('BACKEND_UNAVAILABLE', 'the partition has no leader');
    const topicId = await this.#parts.topology.topicIdOf(lane);
    const answer = await this.#parts.connections.ask(leader, fetchRequest([{ topicId, partition, from }], ONE_BATCH));
    return answer.partitions[0]?.frames[0]?.firstOffset ?? 0;
  }
}

function connectionsOf({ connection }: KafkaEventLogOptions): BrokerConnections {
  return new BrokerConnections({
    ...connection,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    requestsInFlightMax: REQUESTS_IN_FLIGHT_MAX,
  });
}

function unavailable(error: unknown): never {
  const message = `Kafka does not answer: ${error instanceof Error ? error.message : String(error)}`;
  throw new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true, cause: error });
}
