import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveCommandTimerArmed(state: TwinState, event: EventOf<'commandTimerArmed'>): TwinState {
  const { timerId, generation, dueAtMs } = event;
  const others = state.timers.filter((timer) => timer.timerId !== timerId);
  return {
    ...state,
    timers: [...others, { timerId, generation, dueAtMs }],
    commands: { ...state.commands, timerGeneration: generation },
  };
}
