import type { DeliveryOutcome, OutboundMessage } from '../endpoint-host.ts';
import { publishBytes } from '../wire/publish-encoder.ts';
import type { StoredMessage } from '../sessions/session-store.ts';

/** One message on its way to a client. */
export interface OutboundEntry {
  message: OutboundMessage;
  /** What it counts against the limits: its size for an MQTT 5 client, whoever is connected. */
  bytes: number;
  readonly expiresAtMs: number;
  /** Taken once; null when nobody waits, as for a message read from a store. */
  settle: ((outcome: DeliveryOutcome) => void) | null;
  /** 0 until it is sent, and always for QoS 0. */
  packetId: number;
  /** `released`: the client has it (PUBREC), and PUBCOMP is to come. */
  state: 'queued' | 'sent' | 'released';
  /** It was written to some connection, so the next one must say DUP. */
  wasWritten: boolean;
  /** It takes a place in the client's Receive Maximum on the present connection. */
  isOnWire: boolean;
}

const COMPACT_AFTER = 64;
const NOTHING: readonly OutboundEntry[] = [];

/** First in, first out, with cheap removal at the front. */
export class OutboundQueue {
  #entries: OutboundEntry[] = [];
  #first = 0;

  get length(): number {
    return this.#entries.length - this.#first;
  }

  get next(): OutboundEntry | undefined {
    return this.#entries[this.#first];
  }

  push(entry: OutboundEntry): void {
    this.#entries.push(entry);
  }

  shift(): OutboundEntry | undefined {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return undefined;
    this.#first += 1;
    if (this.#first === this.#entries.length) {
      this.#entries = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_AFTER && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }

  /** Takes out all that `leaves`; the others keep their order. */
  remove(leaves: (entry: OutboundEntry) => boolean): readonly OutboundEntry[] {
    // Nearly always, and asked of every session at every sweep.
    if (this.length === 0) return NOTHING;
    const waiting = this.all();
    const removed = waiting.filter(leaves);
    if (removed.length === 0) return removed;
    this.#entries = waiting.filter((entry) => !leaves(entry));
    this.#first = 0;
    return removed;
  }

  all(): readonly OutboundEntry[] {
    return this.#entries.slice(this.#first);
  }
}

export function toStoredMessage(entry: OutboundEntry, nowMs: number): StoredMessage {
  const { expiryMs: _sinceSend, onlyWhileConnected: _asQueued, qos, retain = false, ...message } = entry.message;
  return {
    ...message,
    qos: qos === 2 ? 2 : 1,
    retain,
    packetId: entry.packetId,
    state: entry.state,
    expiresInMs: Number.isFinite(entry.expiresAtMs) ? entry.expiresAtMs - nowMs : null,
  };
}

/** What was sent once may have arrived, so it is sent again as a duplicate. */
export function toOutboundEntry(stored: StoredMessage, savedAtMs: number): OutboundEntry {
  const { packetId, state, expiresInMs, ...message } = stored;
  const expires = expiresInMs !== null;
  return {
    message: expires ? { ...message, expiryMs: expiresInMs } : message,
    bytes: state === 'released' ? 0 : publishBytes(message, { version: 5, qos: message.qos }, expires),
    expiresAtMs: expires ? savedAtMs + expiresInMs : Number.POSITIVE_INFINITY,
    settle: null,
    packetId,
    state,
    wasWritten: state !== 'queued',
    isOnWire: false,
  };
}
