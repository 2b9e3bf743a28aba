import { PACKET_ID_MAX } from '../engine-limits.ts';

/** Up to here a hash set is smaller than the bitmap. */
const SPARSE_MAX = 128;
const BITMAP_BYTES = (PACKET_ID_MAX + 1) / 8;

/**
 * A set of packet ids that costs at most 8 kB. MQTT 3.1.1 has no receive maximum, so a client may leave all 65,535 ids
 * of QoS 2 unreleased, and may mean well.
 */
export class PacketIdSet {
  /** Made with the first id: most sessions never have one. */
  #sparse: Set<number> | null = null;
  #bitmap: Uint8Array | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(packetId: number): boolean {
    if (this.#bitmap === null) return this.#sparse?.has(packetId) ?? false;
    return ((this.#bitmap[packetId >> 3] as number) & (1 << (packetId & 7))) !== 0;
  }

  add(packetId: number): void {
    if (this.has(packetId)) return;
    this.#size += 1;
    if (this.#bitmap === null) {
      this.#sparse ??= new Set();
      this.#sparse.add(packetId);
      if (this.#sparse.size > SPARSE_MAX) this.#becomeBitmap(this.#sparse);
    } else {
      this.#bitmap[packetId >> 3] = (this.#bitmap[packetId >> 3] as number) | (1 << (packetId & 7));
    }
  }

  delete(packetId: number): boolean {
    if (!this.has(packetId)) return false;
    this.#size -= 1;
    if (this.#bitmap === null) this.#sparse?.delete(packetId);
    else this.#bitmap[packetId >> 3] = (this.#bitmap[packetId >> 3] as number) & ~(1 << (packetId & 7));
    if (this.#size === 0) this.#bitmap = null;
    return true;
  }

  *ids(): Iterable<number> {
    if (this.#bitmap === null) return yield* this.#sparse ?? [];
    for (let id = 1; id <= PACKET_ID_MAX; id++) if (this.has(id)) yield id;
  }

  #becomeBitmap(sparse: ReadonlySet<number>): void {
    const bitmap = new Uint8Array(BITMAP_BYTES);
    for (const id of sparse) bitmap[id >> 3] = (bitmap[id >> 3] as number) | (1 << (id & 7));
    this.#sparse = null;
    this.#bitmap = bitmap;
  }
}
