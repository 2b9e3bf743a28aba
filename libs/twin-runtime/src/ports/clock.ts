/** Time as the runtime sees it. The simulation owns it; production reads the machine's. */
export interface Clock {
  /** Unix ms. For leases and logs only: no twin decides by it. */
  nowMs(): number;
  /** Resolves early, and never rejects, when the signal is aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** Chance as the runtime sees it, for jitter and ids. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** 16 random bytes, hex. */
  id(): string;
}
