import { assert } from '@breakwater/twin';
import { type Lane, LANES } from '@breakwater/twin-runtime';

import type { AppendOutcome } from '../append/lane-queue.ts';
import { RecentIds } from './recent-ids.ts';
import { RecentPackets } from './recent-packets.ts';
import { ByteReader } from './stored/byte-reader.ts';
import { ByteWriter } from './stored/byte-writer.ts';

/** How a message names itself when it is sent again. */
export interface MessageMark {
  /** The session that it came in. A client gives a packet id anew in each, so it says nothing beyond the next one. */
  readonly sessionEpoch: number;
  /** 0 when the message is not one that may be recognised by packet id: QoS 0. */
  readonly packetId: number;
  readonly digest: number;
  /** The device's own id, or ''. */
  readonly messageId: string;
}

/** What the log says of a message. */
export interface LoggedMark extends MessageMark {
  readonly appendedAtMs: number;
}

/** A message on its way into the log. */
export interface FlyingMessage {
  readonly mark: MessageMark;
  /** What becomes of it. Only a resend that overtakes it asks. */
  whenSettled(): Promise<AppendOutcome>;
}

/**
 * The client released this packet id, so what was in the log under it by then is over, and the next message with it is
 * another one, even if it looks the same.
 */
export interface PacketRelease {
  readonly packetId: number;
  readonly appendedAtMs: number;
}

const UNREAD = 0;
const READ = 1;

/** `durable`: it is in the log. A message: it is on its way there. `null`: not known. */
export type Recollection = 'durable' | FlyingMessage | null;

/**
 * What one device sent last, so that its resend is not a second event. Bounded: a packet id is kept for its newest
 * message only, since a client gives it to another message only after it saw the first one acknowledged.
 */
export class ResendMemory {
  /** Connections of the device that use it now. Kept by `ResendMemories` alone. */
  users = 0;
  /** The newest session that opened here; 0 when there was none. */
  openedEpoch = 0;
  /**
   * Lanes that may hold messages of the device that are not in here, by the number of the newest gap; 0: all is here. A
   * gap stays over any number of connections: what fell into it is sent again by the first that lasts long enough.
   */
  readonly #unread: Record<Lane, number> = { control: 0, telemetry: 0 };
  #gaps = 0;
  readonly #numbers = { taken: 0, previous: 0 };
  readonly #entriesMax: number;
  #packets: RecentPackets;
  /** Of what is durable, in the order of its durability. What is on its way is asked for its own. */
  #ids: RecentIds;
  /** QoS 2 alone has releases. In the order of the last one, oldest first; null before the first one. */
  #released: Map<number, number> | null = null;
  /** In the order of their arrival. Bounded by what a connection may have in process. */
  readonly #flying: FlyingMessage[] = [];

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
    this.#packets = new RecentPackets(entriesMax);
    this.#ids = new RecentIds(entriesMax);
    this.missed();
  }

  /** Something is on its way to the log. */
  get isFlying(): boolean {
    return this.#flying.length > 0;
  }

  /** Forgets everything: from now on it is the log that knows. */
  clear(): void {
    this.#packets = new RecentPackets(this.#entriesMax);
    this.#ids = new RecentIds(this.#entriesMax);
    this.#released = null;
    this.missed();
  }

  /** All of it in few bytes. Nothing may be on its way. */
  pack(): Buffer {
    assert(!this.isFlying, 'what is on its way is told to the memory that it began with');
    const writer = new ByteWriter();
    for (const number of [this.openedEpoch, this.#numbers.taken, this.#numbers.previous]) writer.count(number);
    for (const lane of LANES) writer.byte(this.isRead(lane) ? READ : UNREAD);
    this.#packets.writeTo(writer);
    this.#ids.writeTo(writer);
    writer.list(this.releases(), ({ packetId, appendedAtMs }) => {
      writer.count(packetId);
      writer.signed(appendedAtMs);
    });
    return writer.done();
  }

  /** @param packed by `pack`, with the same `entriesMax`. */
  static unpack(packed: Uint8Array, entriesMax: number): ResendMemory {
    const memory = new ResendMemory(entriesMax);
    const reader = new ByteReader(packed);
    memory.openedEpoch = reader.count();
    memory.#numbers.taken = reader.count();
    memory.#numbers.previous = reader.count();
    for (const lane of LANES) if (reader.byte() === READ) memory.#unread[lane] = 0;
    memory.#packets.readFrom(reader);
    memory.#ids.readFrom(reader);
    memory.takeReleases(reader.list(() => ({ packetId: reader.count(), appendedAtMs: reader.signed() })));
    reader.end();
    return memory;
  }

  get unreadLanes(): readonly Lane[] {
    return LANES.filter((lane) => !this.isRead(lane));
  }

  /** Everything of the device that may be in this lane is known here. */
  isRead(lane: Lane): boolean {
    return this.#unread[lane] === 0;
  }

  get isWhole(): boolean {
    return LANES.every((lane) => this.isRead(lane));
  }

  /** Something of the device may have got into the log without being remembered here. */
  missed(): void {
    this.#gaps += 1;
    for (const lane of LANES) this.#unread[lane] = this.#gaps;
  }

  /** The device never had a session before: nothing of it is in the log. */
  beginsWhole(): void {
    for (const lane of LANES) this.#unread[lane] = 0;
  }

  /** A read of the lane begins. What it answers is called with what was read, and fills the gaps known by now. */
  beginRead(lane: Lane): (marks: readonly LoggedMark[]) => void {
    const gap = this.#unread[lane];
    return (marks) => {
      this.#fillFromLog(marks);
      if (this.#unread[lane] === gap) this.#unread[lane] = 0;
    };
  }

  /**
   * The session before the one with this number. Numbers that were taken here by sessions which then did not open are
   * passed over: nothing came in them, and what is sent again is older.
   */
  previousOf(sessionEpoch: number, before: number): number {
    const failed = this.#numbers.taken === before && this.openedEpoch !== before;
    const previous = failed ? this.#numbers.previous : before;
    this.#numbers.taken = sessionEpoch;
    this.#numbers.previous = previous;
    return previous;
  }

  /**
   * `dup` is the flag of the packet: without it, an equal packet id and payload is a new event. With it, it is one that
   * was sent since `previousEpoch`: the connection before this one, or the first of an MQTT session that goes on. What
   * is older was answered or given up.
   */
  find(mark: MessageMark, { dup, previousEpoch }: { dup: boolean; previousEpoch: number }): Recollection {
    const { messageId, packetId } = mark;
    if (messageId !== '') {
      const flying = this.#flyingWith(messageId);
      if (flying !== undefined) return flying;
      if (this.#ids.has(messageId)) return 'durable';
    }
    if (!dup || packetId === 0) return null;
    const flying = this.#flying.findLast((one) => one.mark.packetId === packetId);
    if (flying !== undefined) return isResend(flying.mark, mark, previousEpoch) ? flying : null;
    const known = this.#packets.newest(packetId);
    if (known === null || known.appendedAtMs <= (this.#released?.get(packetId) ?? -1)) return null;
    return isResend(known, mark, previousEpoch) ? 'durable' : null;
  }

  /**
   * Of a message that an older connection left in the log, and nobody has read since, only that it is older than now is
   * known.
   */
  released(packetId: number, nowMs: number): void {
    this.takeReleases([{ packetId, appendedAtMs: this.#packets.newest(packetId)?.appendedAtMs ?? nowMs - 1 }]);
  }

  releases(): readonly PacketRelease[] {
    return [...(this.#released ?? [])].map(([packetId, appendedAtMs]) => ({ packetId, appendedAtMs }));
  }

  /** Those that another gateway has seen, or that are just made. */
  takeReleases(releases: readonly PacketRelease[]): void {
    for (const { packetId, appendedAtMs } of releases) {
      const released = (this.#released ??= new Map());
      const known = released.get(packetId) ?? 0;
      released.delete(packetId);
      released.set(packetId, Math.max(known, appendedAtMs));
      if (released.size > this.#entriesMax) dropFirst(released);
    }
  }

  /** The message is handed to the log. What is in flight is bounded by the connection's own limit. */
  appending(flying: FlyingMessage): void {
    this.#flying.push(flying);
  }

  settled(flying: FlyingMessage, outcome: AppendOutcome): void {
    const { mark } = flying;
    if (!this.#landed(flying)) return;
    if (outcome.kind === 'durable') {
      // Asked for before it was handed to the log, so it is not among them.
      if (mark.messageId !== '') this.#ids.add(mark.messageId);
      if (mark.packetId !== 0) this.#rememberPacket(mark, outcome.appendedAtMs);
      return;
    }
    // If it is in the log, then the device, which heard nothing of it, sends it again.
    if (outcome.kind === 'failed' && outcome.mayBeLogged === true) this.missed();
  }

  /** Settles when nothing that came in this session, or in one before it, is on its way to the log any more. */
  async settledUpTo(sessionEpoch: number): Promise<void> {
    const waiting = this.#flying.filter(({ mark }) => mark.sessionEpoch <= sessionEpoch);
    await Promise.all(waiting.map((flying) => flying.whenSettled()));
  }

  /** Settles when nothing is on its way to the log any more. */
  async idle(): Promise<void> {
    while (this.isFlying) await Promise.all(this.#flying.map((flying) => flying.whenSettled()));
  }

  /**
   * Another gateway has the device. It may not wait long enough for what is still on its way, and then the twin passes
   * it over: the log says, if the device comes back, what counts.
   */
  letGoFlying(sessionEpoch: number): void {
    for (const flying of this.#flying.filter(({ mark }) => mark.sessionEpoch <= sessionEpoch)) this.#landed(flying);
    this.missed();
  }

  remember(mark: LoggedMark): void {
    if (mark.messageId !== '') this.#rememberId(mark.messageId);
    if (mark.packetId !== 0) this.#rememberPacket(mark, mark.appendedAtMs);
  }

  #landed(flying: FlyingMessage): boolean {
    // Those of one lane land in the order in which they came.
    if (this.#flying[0] === flying) {
      this.#flying.shift();
      return true;
    }
    const place = this.#flying.indexOf(flying);
    if (place >= 0) this.#flying.splice(place, 1);
    return place >= 0;
  }

  /** Takes what the log says of the sessions before this one, in any order: the lanes are read one by one. */
  #fillFromLog(marks: readonly LoggedMark[]): void {
    const newerIds = this.#ids.all();
    this.#ids.clear();
    for (const { messageId } of marks) {
      if (messageId !== '' && this.#flyingWith(messageId) === undefined) this.#rememberId(messageId);
    }
    for (const messageId of newerIds) this.#rememberId(messageId);
    this.#packets.merge(marks.filter(({ packetId }) => packetId !== 0));
  }

  #flyingWith(messageId: string): FlyingMessage | undefined {
    return this.#flying.find((flying) => flying.mark.messageId === messageId);
  }

  #rememberId(messageId: string): void {
    if (!this.#ids.has(messageId)) this.#ids.add(messageId);
  }

  #rememberPacket({ packetId, digest, sessionEpoch }: MessageMark, appendedAtMs: number): void {
    this.#packets.add({ packetId, digest, sessionEpoch, appendedAtMs });
  }
}

function isResend(
  known: { readonly digest: number; readonly sessionEpoch: number },
  mark: MessageMark,
  previousEpoch: number,
): boolean {
  return known.digest === mark.digest && known.sessionEpoch >= previousEpoch;
}

function dropFirst<Key>(collection: Map<Key, unknown>): void {
  const first = collection.keys().next();
  if (first.done !== true) collection.delete(first.value);
}
