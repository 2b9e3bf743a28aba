import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveDeviceDisconnected(state: TwinState, event: EventOf<'deviceDisconnected'>): TwinState {
  const { sessionEpoch, reason, atMs } = event;
  const status = sessionEpoch === state.presence.sessionEpoch ? state.presence.status : undefined;
  return {
    ...state,
    changeNumber: state.changeNumber + 1,
    presence: {
      connected: false,
      sinceMs: atMs,
      sessionEpoch,
      desiredSubscribed: false,
      commandsSubscribed: false,
      reason,
      status,
    },
  };
}
