import type { EventOf } from '../twin-event.ts';
import { newTwin, type TwinState } from '../twin-state.ts';

/** Only what tells this life from the next one stays. */
export function evolveTwinDeleted(state: TwinState, event: EventOf<'twinDeleted'>): TwinState {
  return {
    ...newTwin(state, state.incarnation),
    createdAtMs: state.createdAtMs,
    deletedAtMs: event.atMs,
    version: state.version,
    reportedVersion: state.reportedVersion,
    changeNumber: state.changeNumber + 1,
  };
}
