import type { ConnectionOutput } from './connection-output.ts';
import type { DeliveryOutcome, OutboundMessage, ProtocolVersion } from '../endpoint-host.ts';
import type { EndpointObserver } from '../endpoint-observer.ts';
import { OUTBOUND_IN_FLIGHT_MAX, PACKET_ID_MAX } from '../engine-limits.ts';
import { OutboundAliases } from './outbound-aliases.ts';
import { type OutboundEntry, OutboundQueue, toOutboundEntry, toStoredMessage } from './outbound-entry.ts';
import { AckType } from '../wire/packet-encoder.ts';
import { ProtocolFault } from '../wire/protocol-fault.ts';
import { encodePublish, publishBytes, TOPIC_ALIAS_BYTES } from '../wire/publish-encoder.ts';
import { ReasonCode } from '../wire/reason-codes.ts';
import type { SessionJournal } from '../sessions/session-journal.ts';
import type { SessionSnapshot } from '../sessions/session-store.ts';

const MS_PER_SECOND = 1000;
const EXPIRY_SECONDS_MAX = 0xffff_ffff;
const NOT_YOURS = new ProtocolFault(ReasonCode.protocolError, 'not the answer to this message');
const COMPLETE_TOO_EARLY = new ProtocolFault(ReasonCode.protocolError, 'PUBCOMP before PUBREC');
/** What is left of a message that the client has. */
const NO_MESSAGE: OutboundMessage = { topic: '', payload: new Uint8Array(0), qos: 2 };

/** Of every session to which nothing was ever sent, and never filled: an empty map is as large as one with entries. */
const NONE_IN_FLIGHT = new Map<number, OutboundEntry>();

type NotDelivered = Extract<DeliveryOutcome, { kind: 'notDelivered' }>['reason'];

/** The client at the other end, as far as it says what may be sent to it. */
export interface OutboundLink {
  readonly output: ConnectionOutput;
  readonly version: ProtocolVersion;
  readonly clientReceiveMax: number;
  readonly clientPacketBytesMax: number;
  readonly topicAliasMax: number;
}

export interface OutboundOptions {
  readonly now: () => number;
  readonly journal: SessionJournal;
  readonly observer: EndpointObserver;
  readonly queueMax: number;
  readonly bytesMax: number;
  /** A full queue lets go of the message that waits longest instead of refusing the one that comes. */
  readonly dropsOldest: boolean;
}

/**
 * Messages to one client. Each `send` settles exactly once:
 *
 *     queued ──room──▶ QoS 0: delivered
 *       │      └─────▶ QoS 1: sent ──PUBACK──▶ delivered(reason code)
 *       │      └─────▶ QoS 2: sent ──PUBREC──▶ delivered(reason code), released ──PUBCOMP──▶ gone
 *       ├─ expired, dropped     └─ connection over ──▶ the next connection gets it again, with DUP
 *       └─ session over ──▶ sessionEnded, or handedOver when another endpoint continues it
 *
 * A packet id is in use as long as its entry is in flight, and is stored before its packet leaves.
 */
export class OutboundMessages {
  readonly #options: OutboundOptions;
  #inFlight: Map<number, OutboundEntry> = NONE_IN_FLIGHT;
  readonly #queue = new OutboundQueue();
  #link: OutboundLink | null = null;
  #aliases: OutboundAliases | null = null;
  #inFlightMax = 0;
  #onWireCount = 0;
  /** In flight on this connection, and to be stored before they are written. */
  #unwrittenCount = 0;
  #waitsForStore = false;
  #bytes = 0;
  #lastPacketId = 0;
  /** In flight on an older connection, to be sent again before anything new. */
  #resend: OutboundEntry[] = [];
  #state: 'waiting' | 'open' | 'detached' | 'ended' = 'waiting';

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  /** The session has a client; nothing is written before `open`. */
  attach(link: OutboundLink): void {
    this.#link = link;
    this.#aliases = link.topicAliasMax === 0 ? null : new OutboundAliases(link.topicAliasMax);
    this.#inFlightMax = Math.min(link.clientReceiveMax, OUTBOUND_IN_FLIGHT_MAX);
    this.#onWireCount = 0;
    this.#unwrittenCount = 0;
    this.#waitsForStore = false;
    this.#resend = [...this.#inFlight.values()];
    for (const entry of this.#resend) entry.isOnWire = false;
    this.#state = 'waiting';
  }

  /** The session goes on without a client: what waits with QoS 1 and 2 is kept for the next one. */
  detach(): void {
    if (this.#state === 'ended') return;
    this.#state = 'detached';
    this.#link = null;
    this.#aliases = null;
    this.#resend = [];
    for (const entry of this.#queue.remove((waiting) => !outlivesConnection(waiting))) this.#drop(entry, 'offline');
  }

  send(message: OutboundMessage): Promise<DeliveryOutcome> {
    return new Promise((resolve) => {
      const settle = (outcome: DeliveryOutcome): void => {
        this.#options.observer.sent?.(message.qos, outcome);
        resolve(outcome);
      };
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

  /** PUBACK. An unknown id is a late or repeated one and means nothing. */
  acknowledged(packetId: number, reasonCode: number): ProtocolFault | null {
    const entry = this.#inFlight.get(packetId);
    if (entry === undefined) return null;
    if (entry.message.qos !== 1) return NOT_YOURS;
    this.#finish(entry, { kind: 'delivered', reasonCode });
    return null;
  }

  /** PUBREC: with success the message is the client's from here, and only its packet id is still in use. */
  received(packetId: number, reasonCode: number): ProtocolFault | null {
    const entry = this.#inFlight.get(packetId) as OutboundEntry;
    if (entry.message.qos !== 2) return NOT_YOURS;
    if (reasonCode >= ReasonCode.unspecifiedError) {
      this.#finish(entry, { kind: 'delivered', reasonCode });
      return null;
    }
    if (entry.state !== 'released') {
      entry.state = 'released';
      entry.message = NO_MESSAGE;
      this.#bytes -= entry.bytes;
      entry.bytes = 0;
      settleOnce(entry, { kind: 'delivered', reasonCode });
    }
    const link = this.#link;
    // A crash that brought the message back after its PUBREL would have the client take it twice.
    this.#options.journal.commit(() => {
      if (this.#link === link) link?.output.ack(AckType.pubrel, packetId);
    });
    return null;
  }

  /** PUBCOMP. */
  completed(packetId: number): ProtocolFault | null {
    const entry = this.#inFlight.get(packetId);
    if (entry === undefined) return null;
    if (entry.message.qos !== 2) return NOT_YOURS;
    if (entry.state !== 'released') return COMPLETE_TOO_EARLY;
    this.#finish(entry, null);
    return null;
  }

  /** Writes what the client and its socket have room for. */
  pump(): void {
    const link = this.#link;
    while (link !== null && this.#state === 'open') {
      const again = this.#resend[0];
      if (!link.output.hasRoomFor((again ?? this.#queue.next)?.bytes ?? 0)) return;
      if (again !== undefined) {
        if (!this.#sendAgain(again, link)) return;
        this.#resend.shift();
        continue;
      }
      const entry = this.#queue.next;
      if (entry === undefined) return;
      const expired = entry.expiresAtMs <= this.#options.now();
      if (!expired && entry.message.qos !== 0 && this.#isWireFull()) return;
      // It has nothing to be stored, and must not overtake what has.
      this.#waitsForStore = !expired && entry.message.qos === 0 && this.#unwrittenCount > 0;
      if (this.#waitsForStore) return;
      this.#queue.shift();
      if (expired) this.#drop(entry, 'expired');
      else if (this.#wireBytes(entry.message, link) > link.clientPacketBytesMax) this.#drop(entry, 'tooLarge');
      else this.#write(entry, link);
    }
  }

  /** Expired messages leave the queue also while nothing can be written. */
  sweep(nowMs: number): void {
    // Of nearly every session at nearly every sweep, and there are many sessions.
    if (this.#queue.length === 0 && this.#resend.length === 0) return;
    for (const entry of this.#queue.remove((waiting) => waiting.expiresAtMs <= nowMs)) this.#drop(entry, 'expired');
    // A transport that is nearly full does not always say when it has room again.
    this.pump();
  }

  end(reason: 'sessionEnded' | 'handedOver'): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#link = null;
    this.#resend = [];
    const open = [...this.#inFlight.values(), ...this.#queue.all()];
    // What is handed over may still be on its way to the store.
    if (reason === 'sessionEnded') {
      this.#inFlight.clear();
      this.#queue.remove(() => true);
      this.#bytes = 0;
    }
    for (const entry of open) settleOnce(entry, { kind: 'notDelivered', reason });
  }

  snapshot(nowMs: number): Pick<SessionSnapshot, 'lastPacketId' | 'messages'> {
    const kept = [...this.#inFlight.values(), ...this.#queue.all()].filter(outlivesConnection);
    return { lastPacketId: this.#lastPacketId, messages: kept.map((entry) => toStoredMessage(entry, nowMs)) };
  }

  /** Takes over what another endpoint had; nobody here waits for its outcome. */
  restore(snapshot: Pick<SessionSnapshot, 'lastPacketId' | 'messages'>, elapsedMs: number): void {
    this.#lastPacketId = snapshot.lastPacketId;
    for (const stored of snapshot.messages) {
      const entry = toOutboundEntry(stored, this.#options.now() - elapsedMs);
      this.#bytes += entry.bytes;
      if (entry.state === 'queued') this.#queue.push(entry);
      else this.#takeOff(entry);
    }
  }

  /** False when the client takes no more at the moment. */
  #sendAgain(entry: OutboundEntry, link: OutboundLink): boolean {
    // It was acknowledged before its turn came.
    if (this.#inFlight.get(entry.packetId) !== entry) return true;
    if (entry.state === 'released') {
      link.output.ack(AckType.pubrel, entry.packetId);
      return true;
    }
    const isExpired = entry.expiresAtMs <= this.#options.now();
    if (isExpired || this.#wireBytes(entry.message, link) > link.clientPacketBytesMax) {
      this.#inFlight.delete(entry.packetId);
      this.#drop(entry, isExpired ? 'expired' : 'tooLarge');
      return true;
    }
    if (this.#isWireFull()) return false;
    entry.isOnWire = true;
    this.#onWireCount += 1;
    this.#put(entry, link);
    return true;
  }

  #isWireFull(): boolean {
    return this.#onWireCount >= this.#inFlightMax;
  }

  #admit(message: OutboundMessage, settle: (outcome: DeliveryOutcome) => void): NotDelivered | null {
    const { queueMax, bytesMax, now } = this.#options;
    if (this.#state === 'ended') return 'sessionEnded';
    if (message.expiryMs !== undefined && message.expiryMs <= 0) return 'expired';
    const expires = message.expiryMs !== undefined;
    const bytes = publishBytes(message, { version: 5, qos: message.qos }, expires);
    const link = this.#link;
    if (link !== null && this.#wireBytes(message, link) > link.clientPacketBytesMax) return 'tooLarge';
    const waitsForConnection = message.qos !== 0 && message.onlyWhileConnected !== true;
    if (this.#state === 'detached' && !waitsForConnection) return 'offline';
    const isFull = (): boolean =>
      this.#inFlight.size + this.#queue.length >= queueMax || this.#bytes + bytes > bytesMax;
    while (isFull()) {
      const oldest = this.#options.dropsOldest ? this.#queue.shift() : undefined;
      if (oldest === undefined) return 'queueFull';
      this.#drop(oldest, 'dropped');
    }
    const expiresAtMs = message.expiryMs === undefined ? Number.POSITIVE_INFINITY : now() + message.expiryMs;
    const unsent = { packetId: 0, state: 'queued', wasWritten: false, isOnWire: false } as const;
    this.#queue.push({ message, bytes, expiresAtMs, settle, ...unsent });
    this.#bytes += bytes;
    if (waitsForConnection) this.#options.journal.changed();
    this.pump();
    return null;
  }

  #wireBytes(message: OutboundMessage, { version }: OutboundLink): number {
    return publishBytes(message, { version, qos: message.qos }, message.expiryMs !== undefined);
  }

  #write(entry: OutboundEntry, link: OutboundLink): void {
    const { message } = entry;
    if (message.qos === 0) {
      this.#bytes -= entry.bytes;
      link.output.packet(this.#encode(entry, link));
      settleOnce(entry, { kind: 'delivered', reasonCode: 0 });
      return;
    }
    entry.packetId = this.#nextPacketId();
    entry.state = 'sent';
    entry.isOnWire = true;
    this.#onWireCount += 1;
    // The entry is recorded before its packet is written: nothing can acknowledge what is not there.
    this.#takeOff(entry);
    this.#unwrittenCount += 1;
    this.#options.journal.commit(() => {
      if (this.#link !== link) return;
      this.#unwrittenCount -= 1;
      if (this.#inFlight.get(entry.packetId) === entry) this.#put(entry, link);
      if (this.#unwrittenCount === 0 && this.#waitsForStore) this.pump();
    });
  }

  #takeOff(entry: OutboundEntry): void {
    if (this.#inFlight === NONE_IN_FLIGHT) this.#inFlight = new Map();
    this.#inFlight.set(entry.packetId, entry);
  }

  #put(entry: OutboundEntry, link: OutboundLink): void {
    link.output.packet(this.#encode(entry, link));
    entry.wasWritten = true;
  }

  #encode(entry: OutboundEntry, link: OutboundLink): Buffer {
    const { message, expiresAtMs, packetId, wasWritten } = entry;
    const { version, clientPacketBytesMax } = link;
    const hasRoom =
      this.#aliases !== null && this.#wireBytes(message, link) + TOPIC_ALIAS_BYTES <= clientPacketBytesMax;
    const alias = hasRoom ? (this.#aliases?.take(message.topic) ?? null) : null;
    // The time spent in our queue is taken off, rounded up so that a living message never says 0.
    const leftMs = expiresAtMs - this.#options.now();
    const expirySeconds = Number.isFinite(leftMs)
      ? Math.max(1, Math.min(EXPIRY_SECONDS_MAX, Math.ceil(leftMs / MS_PER_SECOND)))
      : null;
    return encodePublish(message, { version, qos: message.qos, dup: wasWritten, packetId, expirySeconds, alias });
  }

  /** The packet id is free again, and with it a place on the wire. */
  #finish(entry: OutboundEntry, outcome: DeliveryOutcome | null): void {
    this.#inFlight.delete(entry.packetId);
    this.#bytes -= entry.bytes;
    if (entry.isOnWire) this.#onWireCount -= 1;
    this.#options.journal.changed();
    if (outcome !== null) settleOnce(entry, outcome);
    this.pump();
  }

  #drop(entry: OutboundEntry, reason: NotDelivered): void {
    this.#bytes -= entry.bytes;
    if (entry.message.qos !== 0) this.#options.journal.changed();
    settleOnce(entry, { kind: 'notDelivered', reason });
  }

  #nextPacketId(): number {
    // In flight are far fewer than there are ids, so a free one is found after a few steps.
    do this.#lastPacketId = this.#lastPacketId === PACKET_ID_MAX ? 1 : this.#lastPacketId + 1;
    while (this.#inFlight.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}

/** What is in flight does, whatever it is: MQTT has it sent again. */
function outlivesConnection({ message, state }: OutboundEntry): boolean {
  return message.qos !== 0 && (state !== 'queued' || message.onlyWhileConnected !== true);
}

function settleOnce(entry: OutboundEntry, outcome: DeliveryOutcome): void {
  const { settle } = entry;
  entry.settle = null;
  settle?.(outcome);
}
