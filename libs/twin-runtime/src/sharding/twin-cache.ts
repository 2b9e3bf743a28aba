import type { DeviceKey, TwinState } from '@breakwater/twin';

/** The twins that one shard has in memory. */
export type TwinHome = Map<DeviceKey, CachedTwin>;

/** A twin in memory. `state` is null for one of which nothing is stored yet. */
export interface CachedTwin {
  readonly key: DeviceKey;
  readonly home: TwinHome;
  state: TwinState | null;
  /** The revision that the store has once every commit in flight is done. */
  revision: number;
  bytes: number;
  /** How many unfinished batches hold it. */
  pins: number;
  newer: CachedTwin | null;
  older: CachedTwin | null;
}

/** What a twin costs beside its state: its entry here and its key. */
const ENTRY_BYTES = 200;

/**
 * Passivation: the least recently used twins leave memory when the byte budget is exceeded, over all shards.
 *
 * A twin of an uncommitted batch never leaves. Were it loaded again before its commit is done, the store would answer
 * the state before the batch, and the batch's changes would be lost. So a pinned twin is not even in the list from
 * which twins are evicted; it returns there with its last pin.
 */
export class TwinCache {
  readonly #bytesMax: number;
  #bytes = 0;
  #newest: CachedTwin | null = null;
  #oldest: CachedTwin | null = null;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of all twins in memory, pinned ones too. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A loaded twin, pinned once. */
  insertPinned(
    home: TwinHome,
    key: DeviceKey,
    stored: { revision: number; state: TwinState | null; bytes: number },
  ): CachedTwin {
    const bytes = stored.bytes + ENTRY_BYTES;
    const twin: CachedTwin = { key, home, ...stored, bytes, pins: 1, newer: null, older: null };
    home.set(key, twin);
    this.#bytes += bytes;
    return twin;
  }

  pin(twin: CachedTwin): void {
    if (twin.pins++ === 0) this.#unlink(twin);
  }

  unpin(twin: CachedTwin): void {
    if (--twin.pins > 0 || twin.home.get(twin.key) !== twin) return;
    this.#link(twin);
    this.#evict();
  }

  changed(twin: CachedTwin, state: TwinState, stateBytes: number): void {
    const bytes = stateBytes + ENTRY_BYTES;
    this.#bytes += bytes - twin.bytes;
    twin.bytes = bytes;
    twin.state = state;
  }

  /** Forgets a shard's twins, pinned ones too: their shard has lost its memory. */
  drop(home: TwinHome): void {
    for (const twin of home.values()) {
      if (twin.pins === 0) this.#unlink(twin);
      this.#bytes -= twin.bytes;
    }
    home.clear();
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax && this.#oldest !== null) {
      const twin = this.#oldest;
      this.#unlink(twin);
      twin.home.delete(twin.key);
      this.#bytes -= twin.bytes;
    }
  }

  #link(twin: CachedTwin): void {
    twin.older = this.#newest;
    twin.newer = null;
    if (this.#newest !== null) this.#newest.newer = twin;
    else this.#oldest = twin;
    this.#newest = twin;
  }

  #unlink(twin: CachedTwin): void {
    if (twin.newer !== null) twin.newer.older = twin.older;
    else this.#newest = twin.older;
    if (twin.older !== null) twin.older.newer = twin.newer;
    else this.#oldest = twin.newer;
    twin.newer = null;
    twin.older = null;
  }
}
