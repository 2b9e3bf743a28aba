import type { TwinState } from '../twin-state.ts';

/** No part of the document: nothing that a reader sees has changed. */
export function evolveSubscribedToDesired(state: TwinState): TwinState {
  return { ...state, presence: { ...state.presence, desiredSubscribed: true } };
}
