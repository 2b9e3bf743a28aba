import { type Decide, downlink, NO_EVENTS, NOTHING_TO_DO, VERSION_KEY } from '../decision.ts';
import { deltaOf } from '../delta.ts';
import { setOwn, type OpenObject } from '../own-property.ts';

/** The open session now listens: it is sent the full delta, also an empty one, so that it knows where it stands. */
export const decideDesiredSubscribed: Decide<'desiredSubscribed'> = (state, _message, { sessionEpoch }) => {
  const { presence, version } = state;
  if (!presence.connected || sessionEpoch !== presence.sessionEpoch) return NOTHING_TO_DO;
  const payload: OpenObject = { [VERSION_KEY]: version };
  const delta = deltaOf(state.desired, state.reported);
  for (const key of Object.keys(delta)) setOwn(payload, key, delta[key] ?? null);
  return {
    events: presence.desiredSubscribed ? NO_EVENTS : [{ kind: 'subscribedToDesired' }],
    effects: [downlink({ topic: 'twin/desired', payload, sessionEpoch, twinVersion: version })],
  };
};
