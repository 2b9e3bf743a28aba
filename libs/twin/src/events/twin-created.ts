import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveTwinCreated(state: TwinState, event: EventOf<'twinCreated'>): TwinState {
  return { ...state, createdAtMs: event.atMs, changeNumber: state.changeNumber + 1 };
}
