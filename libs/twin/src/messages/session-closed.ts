import { type Decide, NOTHING_TO_DO } from '../decision.ts';
import { TWIN_LIMITS } from '../limits.ts';

/**
 * Ends the session that the twin knows. A higher epoch counts as well: that session began, and its gateway died before
 * it could say so; without this the twin would show its older session as connected for ever.
 */
export const decideSessionClosed: Decide<'sessionClosed'> = (state, { reason }, { sessionEpoch, nowMs }) => {
  const { presence } = state;
  const known = sessionEpoch === presence.sessionEpoch && presence.connected;
  if (!known && sessionEpoch <= presence.sessionEpoch) return NOTHING_TO_DO;
  return {
    events: [
      { kind: 'deviceDisconnected', sessionEpoch, reason: reason.slice(0, TWIN_LIMITS.reasonLengthMax), atMs: nowMs },
    ],
    effects: [{ kind: 'changed', sections: ['presence'] }],
  };
};
