import { PacketIdSet } from './packet-id-set.ts';

/**
 * A QoS 2 message is handed to the host once, however often the client sends it before it releases the packet id.
 *
 *     PUBLISH ─▶ logging ──settled──▶ unreleased ──PUBREL──▶ gone
 *                   │                  ▲      │
 *                   └─refused (5)─▶ gone      └─PUBLISH again: PUBREC again, not handed over
 *
 * Only packet ids are kept, never messages.
 */
export class InboundQos2 {
  readonly #logging = new Set<number>();
  readonly #unreleased = new PacketIdSet();

  /** Messages that are recorded and wait for PUBREL. */
  get unreleasedCount(): number {
    return this.#unreleased.size;
  }

  stateOf(packetId: number): 'new' | 'logging' | 'unreleased' {
    if (this.#logging.has(packetId)) return 'logging';
    return this.#unreleased.has(packetId) ? 'unreleased' : 'new';
  }

  received(packetId: number): void {
    this.#logging.add(packetId);
  }

  /** PUBREC is about to leave: with success the id stays until PUBREL, with a refusal it is free again. */
  settled(packetId: number, keep: boolean): void {
    this.#logging.delete(packetId);
    if (keep) this.#unreleased.add(packetId);
  }

  released(packetId: number): boolean {
    return this.#unreleased.delete(packetId);
  }
}
