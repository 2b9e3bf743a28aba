import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveTimerExpired(state: TwinState, { timerId }: EventOf<'timerExpired'>): TwinState {
  return { ...state, timers: state.timers.filter((timer) => timer.timerId !== timerId) };
}
