import { canonicalJson } from '../canonical-json.ts';
import { type Decide, NOTHING_TO_DO } from '../decision.ts';
import { jsonEqual } from '../json-equal.ts';
import { jsonFits, jsonProblem } from '../json-size.ts';
import { TWIN_LIMITS } from '../limits.ts';

/**
 * What the device says of itself, or its will says when it is gone. A will is sent after its session ended, so the
 * session that the twin knows may be closed; only one that was followed by another has nothing to say any more.
 */
export const decideStatusReported: Decide<'statusReported'> = (state, { detail }, { sessionEpoch }) => {
  const { presence } = state;
  if (sessionEpoch < presence.sessionEpoch) return NOTHING_TO_DO;
  if (jsonProblem(detail, TWIN_LIMITS.depthMax) !== null) return NOTHING_TO_DO;
  if (!jsonFits(detail, TWIN_LIMITS.statusBytesMax)) return NOTHING_TO_DO;
  if (presence.status !== undefined && jsonEqual(presence.status, detail)) return NOTHING_TO_DO;
  return {
    events: [{ kind: 'statusChanged', status: canonicalJson(detail) }],
    effects: [{ kind: 'changed', sections: ['presence'] }],
  };
};
