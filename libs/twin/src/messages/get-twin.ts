import { type Decide, downlink, NO_EVENTS, NOTHING_TO_DO } from '../decision.ts';
import { twinDocument } from '../twin-document.ts';

export const decideGetTwin: Decide<'getTwin'> = (state, _message, { sessionEpoch }) => {
  if (sessionEpoch === 0) return NOTHING_TO_DO;
  const reply = { topic: 'twin/get/accepted', payload: twinDocument(state), sessionEpoch, twinVersion: state.version };
  return { events: NO_EVENTS, effects: [downlink(reply)] };
};
