import type { DeviceKey, Incarnation } from '@breakwater/twin';

import type { AppendOutcome } from '../append/lane-queue.ts';

/** How a message names itself when it is sent again. */
export interface MessageMark {
  /** 0 when the message is not one that may be recognised by packet id: QoS 0. */
  readonly packetId: number;
  readonly digest: number;
  /** The device's own id, or ''. */
  readonly messageId: string;
}

/** `durable`: it is in the log. A promise: it is on its way there. `null`: not known. */
export type Recollection = 'durable' | Promise<AppendOutcome> | null;

/**
 * What one device sent last, so that its resend is not a second event. Bounded: a packet id is kept for its newest
 * message only, since a client gives it to another message only after it saw the first one acknowledged.
 */
export class ResendMemory {
  /** The newest session whose messages are all in here; 0 when there was none. */
  lastSessionEpoch = 0;
  readonly #entriesMax: number;
  readonly #digests = new Map<number, number>();
  readonly #ids = new Set<string>();
  readonly #flyingPackets = new Map<number, { readonly digest: number; readonly outcome: Promise<AppendOutcome> }>();
  readonly #flyingIds = new Map<string, Promise<AppendOutcome>>();

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** `dup` is the flag of the packet: without it, an equal packet id and payload is a new event. */
  find(mark: MessageMark, dup: boolean): Recollection {
    if (mark.messageId !== '') {
      const flying = this.#flyingIds.get(mark.messageId);
      if (flying !== undefined) return flying;
      if (this.#ids.has(mark.messageId)) return 'durable';
    }
    if (!dup || mark.packetId === 0) return null;
    const flying = this.#flyingPackets.get(mark.packetId);
    if (flying !== undefined) return flying.digest === mark.digest ? flying.outcome : null;
    return this.#digests.get(mark.packetId) === mark.digest ? 'durable' : null;
  }

  /** The message is handed to the log. What is in flight is bounded by the connection's own limit. */
  appending(mark: MessageMark, outcome: Promise<AppendOutcome>): void {
    if (mark.messageId !== '') this.#flyingIds.set(mark.messageId, outcome);
    if (mark.packetId !== 0) this.#flyingPackets.set(mark.packetId, { digest: mark.digest, outcome });
  }

  settled(mark: MessageMark, outcome: Promise<AppendOutcome>, durable: boolean): void {
    if (mark.messageId !== '' && this.#flyingIds.get(mark.messageId) === outcome)
      this.#flyingIds.delete(mark.messageId);
    const flying = mark.packetId === 0 ? undefined : this.#flyingPackets.get(mark.packetId);
    if (flying?.outcome === outcome) this.#flyingPackets.delete(mark.packetId);
    if (durable) this.remember(mark);
  }

  remember(mark: MessageMark): void {
    if (mark.messageId !== '') {
      this.#ids.add(mark.messageId);
      if (this.#ids.size > this.#entriesMax) dropFirst(this.#ids);
    }
    if (mark.packetId === 0) return;
    this.#digests.delete(mark.packetId);
    this.#digests.set(mark.packetId, mark.digest);
    if (this.#digests.size > this.#entriesMax) dropFirst(this.#digests);
  }

  /** Takes what the log says of the previous session. It is older than everything that is here. */
  fillFromLog(marks: readonly MessageMark[]): void {
    const newer = { ids: [...this.#ids], digests: [...this.#digests] };
    this.#ids.clear();
    this.#digests.clear();
    for (const mark of marks) this.remember(mark);
    for (const messageId of newer.ids) this.remember({ messageId, packetId: 0, digest: 0 });
    for (const [packetId, digest] of newer.digests) this.remember({ messageId: '', packetId, digest });
  }
}

/** The memories of the devices that were here last. One that is dropped is read from the log when it is needed. */
export class ResendMemories {
  readonly #limits: { readonly entriesMax: number; readonly devicesMax: number };
  readonly #memories = new Map<string, ResendMemory>();

  constructor(limits: { readonly entriesMax: number; readonly devicesMax: number }) {
    this.#limits = limits;
  }

  /** An id of an earlier life of the device is another id. */
  of(key: DeviceKey, incarnation: Incarnation): ResendMemory {
    const name = `${key}#${incarnation}`;
    const memory = this.#memories.get(name) ?? new ResendMemory(this.#limits.entriesMax);
    this.#memories.delete(name);
    this.#memories.set(name, memory);
    if (this.#memories.size > this.#limits.devicesMax) dropFirst(this.#memories);
    return memory;
  }
}

function dropFirst<Key>(collection: Map<Key, unknown> | Set<Key>): void {
  const first = collection.keys().next();
  if (first.done !== true) collection.delete(first.value);
}
