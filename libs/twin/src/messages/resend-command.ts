import { COMMAND_LIMITS } from '../commands/command-limits.ts';
import { dispatch, listensToCommands } from '../commands/dispatch-commands.ts';
import { findCommand, rankOf } from '../commands/command.ts';
import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/**
 * The workflow has waited long enough for the PUBACK of a dispatch. `dispatch` says of which one: the wish for a resend
 * that has happened meanwhile, on a reconnect for example, is out of date.
 */
export const decideResendCommand: Decide<'resendCommand'> = (state, message, { nowMs }) => {
  const command = findCommand(state.commands, message.commandId);
  if (command === null || rankOf(command.state) >= rankOf('DELIVERED')) return NOTHING_TO_DO;
  if (command.dispatches !== message.dispatch || command.dispatches === 0) return NOTHING_TO_DO;
  if (!listensToCommands(state) || command.deadlineMs <= nowMs) return NOTHING_TO_DO;
  if (command.dispatches >= COMMAND_LIMITS.dispatchesMax) return NOTHING_TO_DO;
  const { event, effect } = dispatch(state, command, nowMs);
  return { events: [event], effects: [effect] };
};
