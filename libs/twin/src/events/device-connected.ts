import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

/** A new session has to subscribe anew. */
export function evolveDeviceConnected(state: TwinState, event: EventOf<'deviceConnected'>): TwinState {
  const { sessionEpoch, atMs } = event;
  const { status } = state.presence;
  return {
    ...state,
    changeNumber: state.changeNumber + 1,
    presence: { connected: true, sinceMs: atMs, sessionEpoch, desiredSubscribed: false, reason: null, status },
  };
}
