import { type Decide, NO_EVENTS } from '../decision.ts';
import { applied, refused } from '../commands/answer-operation.ts';
import { findCommand, isEnded, mayBeThere } from '../commands/command.ts';
import { moveCommand } from '../commands/change-command.ts';
import { settleCommands } from '../commands/settle-commands.ts';

/**
 * Nobody can call back what may have reached the device: canceling it needs `force`, and then it says that the device
 * may have carried it out all the same.
 */
export const decideCancelCommand: Decide<'cancelCommand'> = (state, message, { nowMs }) => {
  const { operationId, commandId, force, reason } = message;
  const command = findCommand(state.commands, commandId);
  if (command === null) {
    return refused(state, operationId, { code: 'COMMAND_NOT_FOUND', detail: 'The device has no such command.' });
  }
  if (command.state === 'CANCELED') {
    return { events: NO_EVENTS, effects: [{ kind: 'commandChanged', command }, ...applied(state, operationId)] };
  }
  if (isEnded(command)) {
    const detail = `The command has ended: ${command.state}.`;
    return refused(state, operationId, { code: 'COMMAND_ENDED', detail });
  }
  const isOut = mayBeThere(command);
  if (isOut && !force) {
    const detail = 'The command may have reached the device.';
    return refused(state, operationId, { code: 'COMMAND_SENT', detail });
  }
  const canceled = moveCommand(command, 'CANCELED', nowMs, reason);
  const { events, effects } = settleCommands(state, [isOut ? { ...canceled, mayHaveRun: true } : canceled], { nowMs });
  return { events, effects: [...effects, ...applied(state, operationId)] };
};
