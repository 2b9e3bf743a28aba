import type { InboundMessage, PublishAnswer, PublishOutcome } from '../endpoint-host.ts';
import type { PendingAck } from './ack-order.ts';

/** What is told of a message's end. */
export interface PublishOwner {
  settled(received: ReceivedPublish, outcome: PublishOutcome): void;
}

/**
 * A message from its arrival to its acknowledgement. One object is all that the engine keeps of it meanwhile: tens of
 * thousands wait for their append at once, and whatever lives that long costs more than all that is done here.
 */
export class ReceivedPublish implements PendingAck, PublishAnswer {
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly qos: 0 | 1 | 2;
  readonly packetBytes: number;
  outcome: PublishOutcome | null = null;
  /** Null once the host has it: payload, and the chunk of the stream that it lies in, are then the host's affair. */
  message: InboundMessage | null = null;
  readonly #owner: PublishOwner;
  #isSettled = false;

  constructor(owner: PublishOwner, packet: { packetId: number; qos: 0 | 1 | 2; packetBytes: number }) {
    this.#owner = owner;
    this.packetId = packet.packetId;
    this.qos = packet.qos;
    this.packetBytes = packet.packetBytes;
  }

  settle(outcome: PublishOutcome): void {
    // As with a promise, the first answer counts.
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#owner.settled(this, outcome);
  }
}
