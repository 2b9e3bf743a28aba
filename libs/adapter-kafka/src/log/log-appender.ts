import { assert, type Partition } from '@breakwater/twin';
import { type AppendResult, PlatformError } from '@breakwater/twin-runtime';
import { initProducerIdV4 } from '@platformatic/kafka';

import { kafkaFailureOf } from '../kafka-failure.ts';
import type { BrokerConnections } from './broker-connections.ts';
import { BrokerSender } from './broker-sender.ts';
import { KAFKA_CODES, kafkaCodeName } from './kafka-codes.ts';
import type { Leader, LogTopology } from './log-topology.ts';
import { PartitionSequence } from './partition-sequence.ts';
import { PendingFrame } from './pending-frame.ts';
import type { ProduceAnswer } from './produce-request.ts';
import type { RecordBatchEncoder } from './record-batch-encoder.ts';
import type { TopicFrame } from './topic-frame.ts';

export interface LogAppenderOptions {
  readonly topology: Pick<LogTopology, 'refresh' | 'knownLeaderOf' | 'leaderOf' | 'topicOf'>;
  readonly connections: Pick<BrokerConnections, 'ask' | 'cut'>;
  readonly encoder: Pick<RecordBatchEncoder, 'encode'>;
  readonly frameBytesMax: number;
  /** How long a call waits. What has no outcome by then is answered as unknown, and may still become durable. */
  readonly answerWithinMs: number;
}

/** How many bytes of frames may wait for their outcome; above it appends are refused, to be tried again. */
const PENDING_BYTES_MAX = 128 * 1024 * 1024;
/** A part of the whole patience: so much longer a call waits for the rest when the first outcomes are known. */
const REST_PATIENCE = 0.25;
const SEQUENCES_MAX = 65_536;
const FENCED_MAX = 4_096;
const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 1_000;
/** A frame of unknown outcome is asked for again within seconds; who has not asked for so long never will. */
const REST_MS_MAX = 60_000;
/** How long a fence waits for answers to what the producer has under way. */
const FENCE_WAIT_MS = 5_000;

interface KafkaProducer {
  readonly id: bigint;
  readonly epoch: number;
}

/**
 * Appends frames, each once, however often an answer is lost.
 *
 * Kafka recognises a batch by producer id, epoch and sequence number. So a frame is sent again as the very same batch,
 * by the same Kafka producer, until an answer settles it; it is never made anew under other numbers. When Kafka no
 * longer knows the numbers, the producer is at its end: everything of it is refused, and nothing is appended for it.
 */
export class LogAppender {
  readonly #options: LogAppenderOptions;
  readonly #sequences = new Map<string, PartitionSequence>();
  readonly #producers = new Map<string, Promise<KafkaProducer>>();
  readonly #senders = new Map<number, BrokerSender>();
  readonly #fenced = new Set<string>();
  #pendingBytes = 0;
  #isClosed = false;

  constructor(options: LogAppenderOptions) {
    this.#options = options;
  }

  async append(requests: readonly TopicFrame[]): Promise<readonly AppendResult[]> {
    if (this.#isClosed) throw unavailable('the log is closed');
    const wantedUntilMs = performance.now() + this.#options.answerWithinMs;
    const answers = requests.map((request) => this.#accept(request, wantedUntilMs));
    const pending = answers.filter((answer): answer is PendingFrame => answer instanceof PendingFrame);
    if (pending.length === 0) return answers as AppendResult[];
    await this.#settled(pending, pending.length < answers.length);
    const results = answers.map((answer) =>
      answer instanceof PendingFrame ? (answer.result ?? unknown(answer)) : answer,
    );
    const open = results.find((result) => result.kind === 'unknown');
    if (open !== undefined && results.every(({ kind }) => kind === 'unknown')) throw open.error;
    return results;
  }

  /**
   * Refuses the producer from now on, here: Kafka has no means to refuse it to another process. What it has under way
   * is waited for, so that whoever reads the log next finds it.
   */
  async fence(producerId: string, partitions: readonly Partition[]): Promise<void> {
    const underWay: Promise<unknown>[] = [];
    for (const partition of partitions) {
      this.#fenced.add(`${partition}:${producerId}`);
      for (const lane of ['control', 'telemetry'] as const) {
        const name = `${lane}:${partition}:${producerId}`;
        const head = this.#sequences.get(name)?.head;
        if (head?.isUnderWay === true) underWay.push(head.outcome.catch(() => undefined));
      }
    }
    for (const oldest of this.#fenced) {
      if (this.#fenced.size <= FENCED_MAX * Math.max(1, partitions.length)) break;
      this.#fenced.delete(oldest);
    }
    await Promise.race([Promise.all(underWay), new Promise((resolve) => setTimeout(resolve, FENCE_WAIT_MS).unref())]);
    for (const partition of partitions) this.#forget(partition, producerId);
  }

  close(): void {
    this.#isClosed = true;
    for (const sequence of this.#sequences.values()) sequence.abandon(unavailable('the log is closed'));
    this.#sequences.clear();
  }

  #accept(request: TopicFrame, wantedUntilMs: number): PendingFrame | AppendResult {
    const { producerId, partition, seq, recordCount } = request;
    assert(Number.isSafeInteger(seq) && seq > 0, 'sequence numbers count from 1');
    assert(Number.isSafeInteger(recordCount) && recordCount > 0, 'a frame holds at least one record');
    if (this.#fenced.has(`${partition}:${producerId}`)) return refused('PRODUCER_FENCED');
    const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
    if (body.length > this.#options.frameBytesMax) return refused('FRAME_TOO_LARGE');
    const sequence = this.#sequenceOf(request);
    // A frame that is repeated may be in the log: for want of room only what is new is refused.
    const accepted = sequence.accept(request, body, this.#pendingBytes + body.length <= PENDING_BYTES_MAX);
    if (!(accepted instanceof PendingFrame)) return accepted;
    if (accepted.wantedUntilMs === 0) this.#count(accepted);
    accepted.wantedUntilMs = wantedUntilMs;
    this.#sendHead(sequence);
    return accepted;
  }

  #count(frame: PendingFrame): void {
    this.#pendingBytes += frame.body.length;
    const uncount = (): void => {
      this.#pendingBytes -= frame.body.length;
    };
    frame.outcome.then(uncount, uncount);
  }

  /**
   * Resolves when all are settled, or the patience is at its end. Partitions have leaders of their own: where one does
   * not answer, the others' records are durable all the same, and their devices are not to wait long for it.
   */
  #settled(pending: readonly PendingFrame[], isSomeKnown: boolean): Promise<void> {
    const { answerWithinMs } = this.#options;
    return new Promise((resolve) => {
      let isShort = isSomeKnown;
      let open = pending.length;
      let timer = setTimeout(resolve, isShort ? answerWithinMs * REST_PATIENCE : answerWithinMs);
      const settled = (): void => {
        open -= 1;
        if (open > 0 && isShort) return;
        clearTimeout(timer);
        if (open === 0) resolve();
        // A first outcome that comes late leaves a little more than the whole patience.
        else timer = setTimeout(resolve, answerWithinMs * REST_PATIENCE);
        isShort = true;
      };
      for (const { outcome } of pending) outcome.then(settled, settled);
    });
  }

  #sequenceOf(request: TopicFrame): PartitionSequence {
    const name = `${request.lane}:${request.partition}:${request.producerId}`;
    let sequence = this.#sequences.get(name);
    if (sequence === undefined) {
      this.#makeRoom();
      sequence = new PartitionSequence(request);
    } else this.#sequences.delete(name);
    // Behind those that were used before it.
    this.#sequences.set(name, sequence);
    return sequence;
  }

  /** Those that rest longest are forgotten: a later append of theirs is a gap. */
  #makeRoom(): void {
    for (const [name, sequence] of this.#sequences) {
      if (this.#sequences.size < SEQUENCES_MAX) return;
      if (sequence.head === null) this.#sequences.delete(name);
    }
  }

  #forget(partition: Partition, producerId: string): void {
    for (const lane of ['control', 'telemetry'] as const) {
      const name = `${lane}:${partition}:${producerId}`;
      this.#sequences.get(name)?.abandon(unavailable('the producer is fenced'));
      this.#sequences.delete(name);
    }
  }

  #sendHead(sequence: PartitionSequence): void {
    const frame = sequence.head;
    if (frame === null || frame.isUnderWay) return;
    frame.isUnderWay = true;
    this.#send(frame).catch((error: unknown) => this.#failed(frame, error));
  }

  async #send(frame: PendingFrame): Promise<void> {
    const { topology, encoder } = this.#options;
    const { lane, partition, producerId } = frame.sequence;
    if (frame.attempts > 0) await topology.refresh();
    const leader = topology.knownLeaderOf(lane, partition) ?? (await topology.leaderOf(lane, partition));
    if (leader === null) throw unavailable(`partition ${partition} has no leader`);
    if (frame.bytes === null) {
      const producer = await this.#producerOf(producerId, leader);
      if (frame.isSettled) return;
      frame.encodedAtMs = Date.now();
      frame.bytes = encoder.encode({
        body: frame.body,
        recordCount: frame.request.recordCount,
        recordIds: frame.request.recordIds,
        producerId: producer.id,
        producerEpoch: producer.epoch,
        baseSequence: frame.sequence.nextKafkaSequence,
        nowMs: frame.encodedAtMs,
      });
    }
    this.#senderOf(leader).enqueue(frame);
  }

  #answered(frame: PendingFrame, answer: ProduceAnswer): void {
    const { sequence } = frame;
    // Fenced or closed meanwhile.
    if (frame.isSettled || sequence.head !== frame) return;
    switch (answer.errorCode) {
      case KAFKA_CODES.none: {
        const appendedAtMs = answer.appendedAtMs < 0 ? frame.encodedAtMs : answer.appendedAtMs;
        sequence.confirm(frame, answer.baseOffset, appendedAtMs);
        break;
      }
      case KAFKA_CODES.messageTooLarge:
      case KAFKA_CODES.recordListTooLarge:
        sequence.refuse(frame, 'FRAME_TOO_LARGE');
        break;
      case KAFKA_CODES.outOfOrderSequence:
      case KAFKA_CODES.unknownProducerId:
        sequence.breakOff('SEQUENCE_GAP');
        break;
      case KAFKA_CODES.invalidProducerEpoch:
      case KAFKA_CODES.producerFenced:
        sequence.breakOff('PRODUCER_FENCED');
        break;
      default:
        this.#failed(frame, new Error(`Kafka answered ${kafkaCodeName(answer.errorCode)} ${answer.detail}`));
        return;
    }
    this.#sendHead(sequence);
  }

  /** The outcome is unknown: the same batch goes again while somebody waits for it. */
  #failed(frame: PendingFrame, error: unknown): void {
    frame.trouble = kafkaFailureOf(error).sentence;
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(frame.attempts, 10));
    frame.attempts += 1;
    if (frame.isSettled || this.#isClosed) return;
    if (performance.now() + delayMs > frame.wantedUntilMs) {
      frame.isUnderWay = false;
      this.#giveUpLater(frame);
      return;
    }
    setTimeout(() => {
      frame.isUnderWay = false;
      if (!frame.isSettled) this.#sendHead(frame.sequence);
    }, delayMs);
  }

  /** A producer that was given up never asks again, and what it left would take the room of the others for ever. */
  #giveUpLater(frame: PendingFrame): void {
    const { wantedUntilMs } = frame;
    const timer = setTimeout(() => {
      if (frame.isSettled || frame.wantedUntilMs !== wantedUntilMs) return;
      frame.sequence.giveUp(unavailable('nobody asked any more whether the log took the records'));
    }, REST_MS_MAX);
    timer.unref();
  }

  #producerOf(producerId: string, leader: Leader): Promise<KafkaProducer> {
    let producer = this.#producers.get(producerId);
    if (producer === undefined) {
      producer = this.#initProducer(leader);
      this.#producers.set(producerId, producer);
      producer.catch(() => this.#producers.delete(producerId));
      for (const oldest of this.#producers.keys()) {
        if (this.#producers.size <= SEQUENCES_MAX) break;
        this.#producers.delete(oldest);
      }
    }
    return producer;
  }

  async #initProducer(leader: Leader): Promise<KafkaProducer> {
    const { api, createRequest, parseResponse } = initProducerIdV4;
    const { producerId, producerEpoch } = await this.#options.connections.ask(leader, {
      apiKey: api.key,
      apiVersion: api.version,
      payload: createRequest(null, 0),
      parse: (reader) => parseResponse(0, api.key, api.version, reader),
    });
    return { id: producerId, epoch: producerEpoch };
  }

  #senderOf(leader: Leader): BrokerSender {
    const known = this.#senders.get(leader.nodeId);
    if (known !== undefined && known.leader.host === leader.host && known.leader.port === leader.port) return known;
    const { connections, topology } = this.#options;
    const listener = {
      answered: (frame: PendingFrame, answer: ProduceAnswer) => this.#answered(frame, answer),
      failed: (frame: PendingFrame, error: unknown) => this.#failed(frame, error),
    };
    const sender = new BrokerSender({ leader, connections, topology, listener });
    this.#senders.set(leader.nodeId, sender);
    return sender;
  }
}

function refused(code: Extract<AppendResult, { kind: 'refused' }>['code']): AppendResult {
  return { kind: 'refused', code };
}

function unknown({ trouble }: PendingFrame): Extract<AppendResult, { kind: 'unknown' }> {
  const error = unavailable(`whether the log took the records is unknown: ${trouble}`);
  return { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error };
}

function unavailable(message: string): PlatformError {
  return new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true });
}
