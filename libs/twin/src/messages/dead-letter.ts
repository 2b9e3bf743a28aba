import { type Decide, NO_EFFECTS, NO_EVENTS } from '../decision.ts';

/** The bytes are kept elsewhere; the twin's consumer only counts the record. */
export const decideDeadLetter: Decide<'deadLetter'> = () => ({
  events: NO_EVENTS,
  effects: NO_EFFECTS,
  outcome: 'dead',
});
