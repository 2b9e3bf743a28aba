import type { SessionSnapshot, SessionStore } from '../sessions/session-store.ts';

interface StoredEntry {
  readonly epoch: number;
  readonly snapshotEpoch: number | null;
  readonly snapshot: SessionSnapshot | null;
}

/** For one process and for tests: sessions outlive connections, and an endpoint, but not the process. */
export function createMemorySessionStore(): SessionStore {
  const entries = new Map<string, StoredEntry>();
  // One counter for all keys, so that no epoch comes back after a session was removed.
  let lastEpoch = 0;
  return {
    claim(sessionKey) {
      lastEpoch += 1;
      const previous = entries.get(sessionKey);
      const snapshot = previous?.snapshot ?? null;
      const previousEpoch = previous?.snapshotEpoch ?? null;
      entries.set(sessionKey, { epoch: lastEpoch, snapshotEpoch: previousEpoch, snapshot });
      return Promise.resolve({ epoch: lastEpoch, previousEpoch, snapshot });
    },
    save(sessionKey, epoch, snapshot) {
      if (entries.get(sessionKey)?.epoch !== epoch) return Promise.resolve('fenced');
      entries.set(sessionKey, { epoch, snapshotEpoch: epoch, snapshot });
      return Promise.resolve('saved');
    },
    remove(sessionKey, epoch) {
      if (entries.get(sessionKey)?.epoch === epoch) entries.delete(sessionKey);
      return Promise.resolve();
    },
  };
}
