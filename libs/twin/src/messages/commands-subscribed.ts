import { dispatchWaiting } from '../commands/dispatch-commands.ts';
import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/** The open session now listens to commands: it is given those that wait, in order. */
export const decideCommandsSubscribed: Decide<'commandsSubscribed'> = (state, _message, { sessionEpoch, nowMs }) => {
  const { presence, commands } = state;
  if (!presence.connected || sessionEpoch !== presence.sessionEpoch) return NOTHING_TO_DO;
  const listening = { ...state, presence: { ...presence, commandsSubscribed: true } };
  const { events, effects } = dispatchWaiting(listening, commands.pending, { nowMs, hasSubscribed: true });
  if (presence.commandsSubscribed) return { events, effects };
  return { events: [{ kind: 'subscribedToCommands' }, ...events], effects };
};
