import { COMMAND_LIMITS } from '../commands/command-limits.ts';
import { dispatch, listensToCommands } from '../commands/dispatch-commands.ts';
import { findCommand, rankOf } from '../commands/command.ts';
import { type Decide, NO_EVENTS, NOTHING_TO_DO } from '../decision.ts';

/**
 * The workflow has waited long enough for the PUBACK of a dispatch. `dispatch` says of which one.
 */
export const decideResendCommand: Decide<'resendCommand'> = (state, message, { nowMs }) => {
  const command = findCommand(state.commands, message.commandId);
  if (command === null || rankOf(command.state) >= rankOf('DELIVERED')) return NOTHING_TO_DO;
  // It has happened, on a reconnect for example: the workflow hears how often by now.
  if (command.dispatches > message.dispatch) {
    return { events: NO_EVENTS, effects: [{ kind: 'commandChanged', command }] };
  }
  if (command.dispatches === 0) return NOTHING_TO_DO;
  if (!listensToCommands(state) || command.deadlineMs <= nowMs) return NOTHING_TO_DO;
  if (command.dispatches >= COMMAND_LIMITS.dispatchesMax) return NOTHING_TO_DO;
  const { event, effect } = dispatch(state, command, nowMs);
  return { events: [event], effects: [effect] };
};
