import type { ConnectionOutput } from './connection-output.ts';
import type { DeliveryOutcome, OutboundMessage, ProtocolVersion } from './endpoint-host.ts';
import { OUTBOUND_IN_FLIGHT_MAX, PACKET_ID_MAX } from './engine-limits.ts';
import { encodePacket, publishBytes } from './packet-encoder.ts';

const MS_PER_SECOND = 1000;
const EXPIRY_SECONDS_MAX = 0xffff_ffff;
const COMPACT_AFTER = 64;

interface OutboundEntry {
  readonly message: OutboundMessage;
  readonly bytes: number;
  readonly expiresAtMs: number;
  readonly settle: (outcome: DeliveryOutcome) => void;
}

export interface OutboundOptions {
  readonly output: ConnectionOutput;
  readonly now: () => number;
  readonly version: ProtocolVersion;
  readonly clientReceiveMax: number;
  readonly clientPacketBytesMax: number;
  readonly queueMax: number;
  readonly bytesMax: number;
}

/**
 * Messages to one client. Each `send` settles exactly once:
 *
 *     queued ──room──▶ QoS 0: delivered
 *       │      └─────▶ QoS 1: in flight ──PUBACK──▶ delivered(reason code)
 *       ├─ expired            └─ connection over ──▶ sessionEnded
 *       └─ connection over ──▶ sessionEnded
 *
 * A packet id is in use as long as its entry is in flight.
 */
export class OutboundMessages {
  readonly #options: OutboundOptions;
  readonly #inFlightMax: number;
  readonly #inFlight = new Map<number, OutboundEntry>();
  #queue: OutboundEntry[] = [];
  #first = 0;
  #bytes = 0;
  #lastPacketId = 0;
  #state: 'waiting' | 'open' | 'ended' = 'waiting';

  constructor(options: OutboundOptions) {
    this.#options = options;
    this.#inFlightMax = Math.min(options.clientReceiveMax, OUTBOUND_IN_FLIGHT_MAX);
  }

  send(message: OutboundMessage): Promise<DeliveryOutcome> {
    return new Promise((settle) => {
      const refusal = this.#admit(message, settle);
      if (refusal !== null) settle({ kind: 'notDelivered', reason: refusal });
    });
  }

  /** CONNACK has been written: messages may follow. */
  open(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'open';
    this.pump();
  }

  isInFlight(packetId: number): boolean {
    return this.#inFlight.has(packetId);
  }

  /** An unknown id is a late or repeated PUBACK and means nothing. */
  acknowledged(packetId: number, reasonCode: number): void {
    const entry = this.#inFlight.get(packetId);
    if (entry === undefined) return;
    this.#inFlight.delete(packetId);
    this.#bytes -= entry.bytes;
    entry.settle({ kind: 'delivered', reasonCode });
    this.pump();
  }

  /** Writes what the client and its socket have room for. */
  pump(): void {
    while (this.#state === 'open' && this.#options.output.hasRoom) {
      const entry = this.#queue[this.#first];
      if (entry === undefined) return;
      const expired = entry.expiresAtMs <= this.#options.now();
      if (!expired && entry.message.qos === 1 && this.#inFlight.size >= this.#inFlightMax) return;
      this.#dequeue();
      if (expired) this.#expire(entry);
      else this.#write(entry);
    }
  }

  /** Expired messages leave the queue also while nothing can be written. */
  sweep(nowMs: number): void {
    if (this.#queue.length === this.#first) return;
    const waiting = this.#queue.slice(this.#first);
    if (!waiting.some((entry) => entry.expiresAtMs <= nowMs)) return;
    this.#queue = waiting.filter((entry) => entry.expiresAtMs > nowMs);
    this.#first = 0;
    for (const entry of waiting) if (entry.expiresAtMs <= nowMs) this.#expire(entry);
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const open = [...this.#inFlight.values(), ...this.#queue.slice(this.#first)];
    this.#inFlight.clear();
    this.#queue = [];
    this.#first = 0;
    this.#bytes = 0;
    for (const entry of open) entry.settle({ kind: 'notDelivered', reason: 'sessionEnded' });
  }

  #admit(
    message: OutboundMessage,
    settle: (outcome: DeliveryOutcome) => void,
  ): 'sessionEnded' | 'expired' | 'queueFull' | 'tooLarge' | null {
    const { version, clientPacketBytesMax, queueMax, bytesMax, now } = this.#options;
    if (this.#state === 'ended') return 'sessionEnded';
    if (message.expiryMs !== undefined && message.expiryMs <= 0) return 'expired';
    const bytes = publishBytes({
      topic: message.topic,
      payloadBytes: message.payload.length,
      qos: message.qos,
      version,
      expires: message.expiryMs !== undefined,
    });
    if (bytes > clientPacketBytesMax) return 'tooLarge';
    const count = this.#inFlight.size + this.#queue.length - this.#first;
    if (count >= queueMax || this.#bytes + bytes > bytesMax) return 'queueFull';
    const expiresAtMs = message.expiryMs === undefined ? Number.POSITIVE_INFINITY : now() + message.expiryMs;
    this.#queue.push({ message, bytes, expiresAtMs, settle });
    this.#bytes += bytes;
    this.pump();
    return null;
  }

  #write(entry: OutboundEntry): void {
    const { message } = entry;
    const packetId = message.qos === 1 ? this.#nextPacketId() : 0;
    // The entry is recorded before its packet is written: nothing can acknowledge what is not there.
    if (message.qos === 1) this.#inFlight.set(packetId, entry);
    this.#options.output.packet(this.#encode(entry, packetId));
    if (message.qos === 1) return;
    this.#bytes -= entry.bytes;
    entry.settle({ kind: 'delivered', reasonCode: 0 });
  }

  #encode(entry: OutboundEntry, packetId: number): Buffer {
    const { message, expiresAtMs } = entry;
    const { version, now } = this.#options;
    const packet = {
      cmd: 'publish' as const,
      topic: message.topic,
      payload: Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.byteLength),
      qos: message.qos,
      dup: false,
      retain: false,
      ...(message.qos === 1 && { messageId: packetId }),
    };
    if (version !== 5 || !Number.isFinite(expiresAtMs)) return encodePacket(packet, version);
    // The time spent in our queue is taken off, rounded up so that a living message never says 0.
    const messageExpiryInterval = Math.min(EXPIRY_SECONDS_MAX, Math.ceil((expiresAtMs - now()) / MS_PER_SECOND));
    return encodePacket({ ...packet, properties: { messageExpiryInterval } }, version);
  }

  #dequeue(): void {
    this.#first += 1;
    if (this.#first === this.#queue.length) {
      this.#queue = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_AFTER && this.#first * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
  }

  #expire(entry: OutboundEntry): void {
    this.#bytes -= entry.bytes;
    entry.settle({ kind: 'notDelivered', reason: 'expired' });
  }

  #nextPacketId(): number {
    // In flight are far fewer than there are ids, so a free one is found after a few steps.
    do this.#lastPacketId = this.#lastPacketId === PACKET_ID_MAX ? 1 : this.#lastPacketId + 1;
    while (this.#inFlight.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}
