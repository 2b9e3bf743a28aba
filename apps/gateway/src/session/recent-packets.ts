import type { ByteReader } from './stored/byte-reader.ts';
import type { ByteWriter } from './stored/byte-writer.ts';

/** One use of a packet id. */
export interface PacketUse {
  readonly packetId: number;
  readonly digest: number;
  readonly sessionEpoch: number;
  readonly appendedAtMs: number;
}

/** Numbers of one entry: packet id, digest, session epoch, time. */
const FIELDS = 4;
const DIGEST = 1;
/** Packet id, session epoch, time. */
const IN_STEPS = [0, 2, 3] as const;
const CAPACITY_MIN = 4;

/**
 * The last uses of packet ids by one device, as plain numbers in a ring: to note one costs no allocation, and a hundred
 * thousand of them are no work for the garbage collector. To find one costs a walk, which only a resend asks for.
 */
export class RecentPackets {
  readonly #entriesMax: number;
  #ring = new Float64Array(0);
  /** Where the next one goes. */
  #next = 0;
  #count = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  add({ packetId, digest, sessionEpoch, appendedAtMs }: PacketUse): void {
    if (this.#count < this.#entriesMax && this.#count * FIELDS === this.#ring.length) this.#grow();
    const ring = this.#ring;
    const at = this.#next * FIELDS;
    ring[at] = packetId;
    ring[at + 1] = digest;
    ring[at + 2] = sessionEpoch;
    ring[at + 3] = appendedAtMs;
    const capacity = ring.length / FIELDS;
    this.#next = this.#next + 1 === capacity ? 0 : this.#next + 1;
    if (this.#count < capacity) this.#count += 1;
  }

  /**
   * The newest use of a packet id, by session and then by time, whatever order they became known in. After a reconnect
   * every message asks for it, so the walk makes no objects on its way.
   */
  newest(packetId: number): PacketUse | null {
    const ring = this.#ring;
    let newest = -1;
    for (let index = 0; index < this.#count; index++) {
      const at = this.#startOf(index);
      if (ring[at] === packetId && (newest < 0 || this.#isNoOlder(at, newest))) newest = at;
    }
    return newest < 0 ? null : this.#useAt(newest);
  }

  /** Takes older and newer ones in any order, and keeps the newest of all. */
  merge(uses: readonly PacketUse[]): void {
    const all = [...this.all(), ...uses].sort(compareUses);
    this.#next = 0;
    this.#count = 0;
    for (const use of all.slice(-this.#entriesMax)) this.add(use);
  }

  /** In the order in which they became known. */
  all(): readonly PacketUse[] {
    return Array.from({ length: this.#count }, (_, index) => this.#useAt(this.#startOf(index)));
  }

  /** Each as far as it differs from the one before, which is by little. */
  writeTo(writer: ByteWriter): void {
    const ring = this.#ring;
    const last = [0, 0, 0];
    writer.count(this.#count);
    for (let index = 0; index < this.#count; index++) {
      const at = this.#startOf(index);
      writer.count(ring[at + DIGEST] as number);
      for (const [place, field] of IN_STEPS.entries()) {
        const value = ring[at + field] as number;
        writer.signed(value - (last[place] as number));
        last[place] = value;
      }
    }
  }

  /** Takes what `writeTo` wrote into one that is empty. */
  readFrom(reader: ByteReader): void {
    const use = { packetId: 0, digest: 0, sessionEpoch: 0, appendedAtMs: 0 };
    for (let left = reader.count(); left > 0; left--) {
      use.digest = reader.count();
      use.packetId += reader.signed();
      use.sessionEpoch += reader.signed();
      use.appendedAtMs += reader.signed();
      this.add(use);
    }
  }

  #startOf(index: number): number {
    const capacity = this.#ring.length / FIELDS;
    return ((this.#next - this.#count + index + capacity) % capacity) * FIELDS;
  }

  #useAt(at: number): PacketUse {
    const ring = this.#ring;
    return {
      packetId: ring[at] as number,
      digest: ring[at + 1] as number,
      sessionEpoch: ring[at + 2] as number,
      appendedAtMs: ring[at + 3] as number,
    };
  }

  #isNoOlder(at: number, other: number): boolean {
    const ring = this.#ring;
    const bySession = (ring[at + 2] as number) - (ring[other + 2] as number);
    return (bySession || (ring[at + 3] as number) - (ring[other + 3] as number)) >= 0;
  }

  /** It is grown when it is full and before anything in it is overwritten, so it stands in order from its beginning. */
  #grow(): void {
    const capacity = Math.min(this.#entriesMax, Math.max(CAPACITY_MIN, 2 * this.#count));
    const grown = new Float64Array(capacity * FIELDS);
    grown.set(this.#ring);
    this.#ring = grown;
    this.#next = this.#count;
  }
}

function compareUses(one: PacketUse, other: PacketUse): number {
  return one.sessionEpoch - other.sessionEpoch || one.appendedAtMs - other.appendedAtMs;
}
