import { ResendMemory } from './resend-memory.ts';

export interface ResendMemoriesLimits {
  /** Of one device, of packet ids and of the device's own ids each. */
  readonly entriesMax: number;
  /** Devices without a connection. */
  readonly restingDevicesMax: number;
  readonly restingBytesMax: number;
}

/** A session of a device, as far as its memory goes. */
export interface RememberingSession {
  /** Names the device in one of its lives. */
  readonly sessionKey: string;
  readonly sessionEpoch: number;
  readonly gate: Promise<unknown> | null;
  broken: boolean;
  memory: ResendMemory;
}

/** What a resting memory takes beside its bytes and its name: their two headers, and a place in a map. */
const PLACE_BYTES = 128;

/**
 * What the devices of this gateway sent last: in full of those that are connected, or have something on the way to the
 * log; of the others packed into one text each, a tenth of it and one object in place of a dozen. There are many more
 * of these, and every full collection of garbage looks at all that there is.
 *
 * The packed ones are bounded by number and by bytes. One that is dropped is read from the log when it is needed.
 */
export class ResendMemories {
  readonly #limits: ResendMemoriesLimits;
  readonly #inUse = new Map<string, ResendMemory>();
  /** Bytes as characters; a text is part of the heap, where a buffer is three objects. Who rests longest is first. */
  readonly #resting = new Map<string, string>();
  #restingBytes = 0;

  constructor(limits: ResendMemoriesLimits) {
    this.#limits = limits;
  }

  get restingDevices(): number {
    return this.#resting.size;
  }

  get restingBytes(): number {
    return this.#restingBytes;
  }

  /** The session opens; it has the memory until `close`, and shares it with others of the same device. */
  open(session: RememberingSession): void {
    const { sessionKey } = session;
    const memory = this.#inUse.get(sessionKey) ?? this.#wake(sessionKey);
    memory.users += 1;
    this.#inUse.set(sessionKey, memory);
    session.memory = memory;
  }

  /** The session is over. What it still has on the way to the log is waited for, and nothing more may enter. */
  async close(session: RememberingSession): Promise<void> {
    const { memory, sessionKey } = session;
    session.broken = true;
    while (session.gate !== null) await session.gate;
    await memory.settledUpTo(session.sessionEpoch);
    memory.users -= 1;
    while (memory.users === 0 && memory.isFlying) await memory.idle();
    if (memory.users === 0 && this.#inUse.get(sessionKey) === memory) this.#rest(sessionKey, memory);
  }

  #wake(sessionKey: string): ResendMemory {
    const packed = this.#resting.get(sessionKey);
    if (packed === undefined) return new ResendMemory(this.#limits.entriesMax);
    this.#forget(sessionKey, packed);
    return ResendMemory.unpack(Buffer.from(packed, 'latin1'), this.#limits.entriesMax);
  }

  #rest(sessionKey: string, memory: ResendMemory): void {
    this.#inUse.delete(sessionKey);
    const packed = memory.pack().toString('latin1');
    // The engine may keep the session that had it for as long as the MQTT session goes on.
    memory.clear();
    this.#resting.set(sessionKey, packed);
    this.#restingBytes += bytesOf(sessionKey, packed);
    const { restingDevicesMax, restingBytesMax } = this.#limits;
    for (const [oldest, text] of this.#resting) {
      if (this.#resting.size <= restingDevicesMax && this.#restingBytes <= restingBytesMax) return;
      this.#forget(oldest, text);
    }
  }

  #forget(sessionKey: string, packed: string): void {
    this.#resting.delete(sessionKey);
    this.#restingBytes -= bytesOf(sessionKey, packed);
  }
}

function bytesOf(sessionKey: string, packed: string): number {
  return sessionKey.length + packed.length + PLACE_BYTES;
}
