import type { PublishOutcome } from '../endpoint-host.ts';
import { PacketIdSet } from '../wire/packet-id-set.ts';

export type AnswerQos2 = (outcome: PublishOutcome) => void;

/**
 * A QoS 2 message is handed to the host once, however often the client sends it before it releases the packet id.
 *
 *     PUBLISH ─▶ logging ──settled──▶ unreleased ──PUBREL──▶ gone
 *                   │                  ▲      │
 *                   └─refused (5)─▶ gone      └─PUBLISH again: PUBREC again, not handed over
 *
 * Only packet ids are kept, never messages. All of it belongs to the session and outlives a connection with it.
 */
export class InboundQos2 {
  /** Made with the first message, like the others: most devices never use QoS 2. */
  #logging: Map<number, AnswerQos2> | null = null;
  /** In `logging`, and the host has it: PUBREC waits for its turn. */
  #recorded: Set<number> | null = null;
  readonly #unreleased = new PacketIdSet();

  /** Messages that are recorded and wait for PUBREL. */
  get unreleasedCount(): number {
    return this.#unreleased.size;
  }

  stateOf(packetId: number): 'new' | 'logging' | 'unreleased' {
    if (this.#logging?.has(packetId) === true) return 'logging';
    return this.#unreleased.has(packetId) ? 'unreleased' : 'new';
  }

  /** `answer` gets what the host makes of the message. */
  received(packetId: number, answer: AnswerQos2): void {
    this.#logging ??= new Map();
    this.#logging.set(packetId, answer);
  }

  /** The client sends a message again on a newer connection while the host still has the first copy. */
  adopt(packetId: number, answer: AnswerQos2): void {
    this.received(packetId, answer);
  }

  /** The host has answered: whoever has the client now is told. */
  answered(packetId: number, outcome: PublishOutcome): void {
    this.#logging?.get(packetId)?.(outcome);
  }

  /** The host has the message, and the client is still to be told. */
  recorded(packetId: number): void {
    this.#recorded ??= new Set();
    this.#recorded.add(packetId);
  }

  /** PUBREC is about to leave: with success the id stays until PUBREL, with a refusal it is free again. */
  settled(packetId: number, keep: boolean): void {
    this.#logging?.delete(packetId);
    this.#recorded?.delete(packetId);
    if (keep) this.#unreleased.add(packetId);
  }

  released(packetId: number): boolean {
    return this.#unreleased.delete(packetId);
  }

  /** PUBREC will not leave any more; a copy of a recorded message is answered at once from now on. */
  connectionEnded(): void {
    for (const packetId of this.#recorded ?? []) this.settled(packetId, true);
  }

  storedIds(): readonly number[] {
    return [...this.#unreleased.ids(), ...(this.#recorded ?? [])];
  }

  restore(packetIds: readonly number[]): void {
    for (const packetId of packetIds) this.#unreleased.add(packetId);
  }
}
