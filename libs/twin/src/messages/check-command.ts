import { endByDeadline } from '../commands/change-command.ts';
import { findCommand, isEnded } from '../commands/command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import { type Decide, NO_EVENTS, NOTHING_TO_DO } from '../decision.ts';

/** The workflow asks where its command stands, and at its deadline for the verdict. */
export const decideCheckCommand: Decide<'checkCommand'> = (state, { commandId }, { nowMs }) => {
  const command = findCommand(state.commands, commandId);
  if (command === null) return NOTHING_TO_DO;
  if (isEnded(command) || command.deadlineMs > nowMs) {
    return { events: NO_EVENTS, effects: [{ kind: 'commandChanged', command }] };
  }
  return settleCommands(state, [endByDeadline(command, nowMs)], { nowMs });
};
