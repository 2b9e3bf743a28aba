import type { Partition } from '@breakwater/twin';
import type { AppendRequest, AppendResult, EventLog, Lane } from '@breakwater/twin-runtime';
import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import type { SimulatedProcess } from './simulated-process.ts';

/** One message of a device, already a record line. */
export interface DeviceMessage {
  readonly id: string;
  readonly lane: Lane;
  readonly partition: Partition;
  readonly line: string;
}

/** Faults that a gateway must not have; each is planted to show that the simulation finds it. */
export interface GatewayBugs {
  readonly acknowledgeBeforeDurable?: boolean;
  readonly newSequenceAfterLostReply?: boolean;
}

export interface SimulatedGatewayOptions {
  readonly id: string;
  readonly process: SimulatedProcess;
  readonly log: EventLog;
  readonly random: SeededRandom;
  readonly onAcknowledged: (message: DeviceMessage) => void;
  readonly bugs: GatewayBugs;
}

interface Frame {
  readonly request: AppendRequest;
  readonly messages: readonly DeviceMessage[];
}

const FLUSH_MS_MAX = 20;
const FRAME_MESSAGES_MAX = 16;

/** The gateway's side of the log: frames of many devices, one in flight per lane and partition, PUBACK when durable. */
export class SimulatedGateway {
  readonly #options: SimulatedGatewayOptions;
  readonly #waiting = new Map<string, DeviceMessage[]>();
  readonly #inFlight = new Map<string, Frame>();
  readonly #sequences = new Map<string, number>();

  constructor(options: SimulatedGatewayOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.id;
  }

  receive(message: DeviceMessage): void {
    const name = `${message.lane}/${message.partition}`;
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, waiting);
    waiting.push(message);
    if (this.#options.bugs.acknowledgeBeforeDurable === true) this.#options.onAcknowledged(message);
  }

  /** What is not known to be durable. */
  pending(): readonly DeviceMessage[] {
    return [...[...this.#inFlight.values()].flatMap(({ messages }) => messages), ...[...this.#waiting.values()].flat()];
  }

  /** What devices will send again when this gateway is gone: all that they have had no acknowledgement for. */
  unacknowledged(): readonly DeviceMessage[] {
    return this.#options.bugs.acknowledgeBeforeDurable === true ? [] : this.pending();
  }

  async run(): Promise<void> {
    const { process, random } = this.#options;
    while (!process.isDead) {
      await process.clock.sleep(1 + random.below(FLUSH_MS_MAX));
      const frames = [...this.#waiting.keys()].flatMap((name) => this.#nextFrame(name));
      if (frames.length > 0) await this.#append(frames);
    }
  }

  #nextFrame(name: string): readonly Frame[] {
    const repeated = this.#inFlight.get(name);
    if (repeated !== undefined) return [repeated];
    const messages = (this.#waiting.get(name) ?? []).splice(0, FRAME_MESSAGES_MAX);
    const [first] = messages;
    if (first === undefined) return [];
    const seq = (this.#sequences.get(name) ?? 0) + 1;
    this.#sequences.set(name, seq);
    const { lane, partition } = first;
    const body = messages.map(({ line }) => line).join('\n');
    const request = { lane, partition, producerId: this.id, seq, body, recordCount: messages.length };
    const frame = { request, messages };
    this.#inFlight.set(name, frame);
    return [frame];
  }

  async #append(frames: readonly Frame[]): Promise<void> {
    let results: readonly AppendResult[];
    try {
      results = await this.#options.log.append(frames.map(({ request }) => request));
    } catch {
      // Whether it is in the log is not known. The same sequence number says so to the log: it appends at most once.
      if (this.#options.bugs.newSequenceAfterLostReply === true) for (const frame of frames) this.#renumber(frame, 1);
      return;
    }
    for (const [index, frame] of frames.entries()) {
      const { lane, partition } = frame.request;
      const result = results[index];
      if (result?.kind === 'refused' && result.code === 'SEQUENCE_GAP') this.#renumber(frame, -1);
      if (result?.kind !== 'appended') continue;
      this.#inFlight.delete(`${lane}/${partition}`);
      if (this.#options.bugs.acknowledgeBeforeDurable !== true) frame.messages.forEach(this.#options.onAcknowledged);
    }
  }

  /** The planted bug: a lost reply is taken for a lost request. A gap then says that it was indeed the request. */
  #renumber({ request, messages }: Frame, by: number): void {
    const name = `${request.lane}/${request.partition}`;
    this.#sequences.set(name, request.seq + by);
    this.#inFlight.set(name, { messages, request: { ...request, seq: request.seq + by } });
  }
}
