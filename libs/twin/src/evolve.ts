import { EVOLVERS } from './events/index.ts';
import type { TwinEvent } from './twin-event.ts';
import type { TwinState } from './twin-state.ts';

/** The state after an event. Total: an event is always possible, the decision was taken before. */
export function evolve(state: TwinState, event: TwinEvent): TwinState {
  // The compiler can not see that the entry under a kind takes the event of that kind; the registry's type says so.
  const evolver = EVOLVERS[event.kind] as (state: TwinState, event: TwinEvent) => TwinState;
  return evolver(state, event);
}
