import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

/** What was said of the last session is over with it, its will most of all; a new one has to subscribe anew. */
export function evolveDeviceConnected(state: TwinState, event: EventOf<'deviceConnected'>): TwinState {
  const { sessionEpoch, atMs } = event;
  return {
    ...state,
    changeNumber: state.changeNumber + 1,
    presence: {
      connected: true,
      sinceMs: atMs,
      sessionEpoch,
      desiredSubscribed: false,
      commandsSubscribed: false,
      reason: null,
      status: undefined,
    },
  };
}
