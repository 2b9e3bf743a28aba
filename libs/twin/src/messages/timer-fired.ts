import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/** A timer that was cleared or set again may still fire once: its generation tells. */
export const decideTimerFired: Decide<'timerFired'> = (state, { timerId, generation }) => {
  const armed = state.timers.find((timer) => timer.timerId === timerId);
  if (armed === undefined || armed.generation !== generation) return NOTHING_TO_DO;
  return { events: [{ kind: 'timerExpired', timerId }], effects: [{ kind: 'timerCleared', timerId }] };
};
