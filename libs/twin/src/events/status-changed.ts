import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveStatusChanged(state: TwinState, { status }: EventOf<'statusChanged'>): TwinState {
  return { ...state, changeNumber: state.changeNumber + 1, presence: { ...state.presence, status } };
}
