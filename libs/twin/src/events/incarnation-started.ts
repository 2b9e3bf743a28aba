import type { EventOf } from '../twin-event.ts';
import { newTwin, type TwinState } from '../twin-state.ts';

export function evolveIncarnationStarted(state: TwinState, event: EventOf<'incarnationStarted'>): TwinState {
  return newTwin(state, event.incarnation);
}
