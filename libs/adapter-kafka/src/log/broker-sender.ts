import type { BrokerConnections } from './broker-connections.ts';
import type { Leader, LogTopology } from './log-topology.ts';
import type { PendingFrame } from './pending-frame.ts';
import { type ProduceAnswer, produceRequest } from './produce-request.ts';

export interface SenderListener {
  answered(frame: PendingFrame, answer: ProduceAnswer): void;
  /** Whether it is in the log is unknown. */
  failed(frame: PendingFrame, error: unknown): void;
}

export interface BrokerSenderOptions {
  readonly leader: Leader;
  readonly connections: Pick<BrokerConnections, 'ask' | 'cut'>;
  readonly topology: Pick<LogTopology, 'refresh' | 'knownLeaderOf' | 'topicOf'>;
  readonly listener: SenderListener;
}

/** On one connection a broker works on one request after the other; the next ones shall lie there already. */
export const REQUESTS_IN_FLIGHT_MAX = 5;
/** A broker refuses requests of 100 MiB; much smaller ones already carry all that waits. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;
/** How long the broker waits for the replicas before it says that it does not know. */
const ACK_TIMEOUT_MS = 15_000;
/** From then on it is asked whether somebody else leads by now: a broker that hangs closes no connection. */
const STALL_MS = 1_500;

interface Flight {
  readonly frames: readonly PendingFrame[];
  isUnderWay: boolean;
}

/** What goes to one broker: what waits for it, of all partitions that it leads, shares requests. */
export class BrokerSender {
  readonly #options: BrokerSenderOptions;
  #waiting: PendingFrame[] = [];
  #requests = 0;
  #isScheduled = false;

  constructor(options: BrokerSenderOptions) {
    this.#options = options;
  }

  get leader(): Leader {
    return this.#options.leader;
  }

  enqueue(frame: PendingFrame): void {
    this.#waiting.push(frame);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // What is appended in the same turn goes together.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#requests < REQUESTS_IN_FLIGHT_MAX) {
      let bytes = 0;
      let count = 0;
      const partitions = new Set<string>();
      for (const frame of this.#waiting) {
        // Of one producer only one frame is on its way, but several producers may write to one partition.
        const name = `${frame.sequence.lane}:${frame.sequence.partition}`;
        bytes += frame.bytes!.length;
        if (count > 0 && (bytes > REQUEST_BYTES_MAX || partitions.has(name))) break;
        partitions.add(name);
        count += 1;
      }
      void this.#send(this.#waiting.splice(0, count));
    }
  }

  async #send(frames: readonly PendingFrame[]): Promise<void> {
    const { leader, connections, topology, listener } = this.#options;
    this.#requests += 1;
    const flight: Flight = { frames, isUnderWay: true };
    const stallTimer = setTimeout(() => void this.#watch(flight), STALL_MS);
    try {
      const batches = frames.map(({ sequence, bytes }) => ({
        topic: topology.topicOf(sequence.lane),
        partition: sequence.partition,
        bytes: bytes!,
      }));
      const answers = await connections.ask(leader, produceRequest(batches, ACK_TIMEOUT_MS));
      const byPartition = new Map(answers.map((answer) => [`${answer.topic}:${answer.partition}`, answer]));
      for (const [index, { topic, partition }] of batches.entries()) {
        const answer = byPartition.get(`${topic}:${partition}`);
        if (answer !== undefined) listener.answered(frames[index]!, answer);
        else listener.failed(frames[index]!, new Error('the broker did not answer for the partition'));
      }
    } catch (error) {
      for (const frame of frames) listener.failed(frame, error);
    } finally {
      flight.isUnderWay = false;
      clearTimeout(stallTimer);
      this.#requests -= 1;
      this.#pump();
    }
  }

  /** Cuts the connection when somebody else leads what is under way on it. */
  async #watch(flight: Flight): Promise<void> {
    const { leader, connections, topology } = this.#options;
    while (flight.isUnderWay) {
      await topology.refresh().catch(() => undefined);
      const hasMoved = flight.frames.some(({ sequence: { lane, partition } }) => {
        const now = topology.knownLeaderOf(lane, partition);
        return now !== null && now.nodeId !== leader.nodeId;
      });
      if (hasMoved && flight.isUnderWay) return connections.cut(leader);
      await new Promise((resolve) => setTimeout(resolve, STALL_MS));
    }
  }
}
