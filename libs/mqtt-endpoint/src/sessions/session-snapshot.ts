import type { SessionState } from './session-state.ts';
import type { SessionSnapshot } from './session-store.ts';

export function toSnapshot<Identity>(
  state: SessionState<Identity>,
  times: { readonly nowMs: number; readonly wallNowMs: number },
): SessionSnapshot {
  const passedMs = state.detachedAtMs === null ? 0 : times.nowMs - state.detachedAtMs;
  return {
    savedAtMs: times.wallNowMs,
    isAttached: state.detachedAtMs === null,
    expiresInMs: Number.isFinite(state.expiryMs) ? Math.max(0, state.expiryMs - passedMs) : null,
    subscriptions: [...state.filters],
    receivedIds: state.qos2.storedIds(),
    ...state.outbound.snapshot(times.nowMs),
  };
}

/** Fills a new session; false when the stored one has expired and nothing was taken from it. */
export function restoreSession<Identity>(
  state: SessionState<Identity>,
  snapshot: SessionSnapshot,
  elapsedMs: number,
): boolean {
  const leftMs = snapshot.expiresInMs ?? Number.POSITIVE_INFINITY;
  if (leftMs === 0 || (!snapshot.isAttached && leftMs <= elapsedMs)) return false;
  state.expiryMs = leftMs;
  for (const [filter, qos] of snapshot.subscriptions) state.filters.set(filter, qos);
  state.qos2.restore(snapshot.receivedIds);
  state.outbound.restore(snapshot, elapsedMs);
  return true;
}
