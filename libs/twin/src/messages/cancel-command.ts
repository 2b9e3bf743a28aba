import { type Decide, type Decision, type MessageOf, NO_EVENTS, type Rejection } from '../decision.ts';
import { findCommand, isEnded, mayBeThere } from '../commands/command.ts';
import { moveCommand } from '../commands/change-command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import type { TwinEffect } from '../twin-message.ts';
import type { TwinState } from '../twin-state.ts';

/**
 * Nobody can call back what may have reached the device: canceling it needs `force`, and then it says that the device
 * may have carried it out all the same.
 */
export const decideCancelCommand: Decide<'cancelCommand'> = (state, message, { nowMs }) => {
  const command = findCommand(state.commands, message.commandId);
  if (command === null) {
    return refuse(state, message, { code: 'COMMAND_NOT_FOUND', detail: 'The device has no such command.' });
  }
  if (command.state === 'CANCELED') {
    return { events: NO_EVENTS, effects: [{ kind: 'commandChanged', command }, applied(state, message)] };
  }
  if (isEnded(command)) {
    return refuse(state, message, { code: 'COMMAND_ENDED', detail: `The command has ended: ${command.state}.` });
  }
  const isOut = mayBeThere(command);
  if (isOut && !message.force) {
    return refuse(state, message, { code: 'COMMAND_SENT', detail: 'The command may have reached the device.' });
  }
  const canceled = moveCommand(command, 'CANCELED', nowMs, message.reason);
  const { events, effects } = settleCommands(state, [isOut ? { ...canceled, mayHaveRun: true } : canceled], { nowMs });
  return { events, effects: [...effects, applied(state, message)] };
};

function refuse(state: TwinState, { operationId }: MessageOf<'cancelCommand'>, rejection: Rejection): Decision {
  const outcome = { kind: 'rejected', ...rejection, version: state.version } as const;
  return { events: NO_EVENTS, effects: [{ kind: 'operationAnswered', operationId, outcome }], rejection };
}

function applied({ version }: TwinState, { operationId }: MessageOf<'cancelCommand'>): TwinEffect {
  return { kind: 'operationAnswered', operationId, outcome: { kind: 'applied', version } };
}
