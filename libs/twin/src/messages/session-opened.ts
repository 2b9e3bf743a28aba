import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/** Session epochs only grow: a lower one is history, an equal one a repetition. */
export const decideSessionOpened: Decide<'sessionOpened'> = (state, _message, { sessionEpoch, nowMs }) => {
  if (sessionEpoch <= state.presence.sessionEpoch) return NOTHING_TO_DO;
  return {
    events: [{ kind: 'deviceConnected', sessionEpoch, atMs: nowMs }],
    effects: [{ kind: 'changed', sections: ['presence'] }],
  };
};
