import type { TwinState } from '../twin-state.ts';

/** No part of the document: nothing that a reader sees has changed. */
export function evolveSubscribedToCommands(state: TwinState): TwinState {
  return { ...state, presence: { ...state.presence, commandsSubscribed: true } };
}
