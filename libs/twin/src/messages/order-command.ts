import { jsonFits, jsonProblem } from '../json-size.ts';
import { type Decide, type MessageOf, NO_EVENTS, type Rejection } from '../decision.ts';
import { applied, isOfWorkflow, refused } from '../commands/answer-operation.ts';
import { COMMAND_LIMITS } from '../commands/command-limits.ts';
import { findCommand, type TwinCommand } from '../commands/command.ts';
import { commandBytes } from '../commands/command-bytes.ts';
import { endByDeadline, moveCommand } from '../commands/change-command.ts';
import { newCommand } from '../commands/new-command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import type { TwinState } from '../twin-state.ts';

/**
 * An operator orders something. Both the API and the command's workflow may say so, each more than once: the first word
 * counts, the same word again is answered with what became of it, and another order under the same id is refused.
 */
export const decideOrderCommand: Decide<'orderCommand'> = (state, message, { nowMs }) => {
  const { operationId, commandId, bodyDigest } = message;
  const known = findCommand(state.commands, commandId);
  if (known !== null) {
    const detail = `${commandId} is another command of this device.`;
    if (known.bodyDigest !== bodyDigest) return refused(state, operationId, { code: 'COMMAND_CONFLICT', detail });
    const effects = [{ kind: 'commandChanged', command: known } as const, ...applied(state, operationId)];
    return { events: NO_EVENTS, effects };
  }
  const rejection = checkOrder(message);
  if (rejection !== null) return refused(state, operationId, rejection);
  const command = newCommand(message, state.commands.count + 1, nowMs);
  const full = checkRoom(state, command) ?? checkRefused(state, message);
  if (full !== null) {
    // It has ended for its workflow. Only that it was refused is kept: an application may use its id again.
    const rejected = { kind: 'commandChanged', command: moveCommand(command, 'REJECTED', nowMs, full.detail) } as const;
    const { events, effects, ...decision } = refused(state, operationId, full);
    return {
      ...decision,
      events: [...events, { kind: 'commandRefused', commandId }],
      effects: [rejected, ...effects],
    };
  }
  const ordered = command.deadlineMs <= nowMs ? endByDeadline(command, nowMs) : command;
  const { events, effects } = settleCommands(state, [ordered], { nowMs });
  return { events, effects: [...effects, ...applied(state, operationId)] };
};

function checkOrder(order: MessageOf<'orderCommand'>): Rejection | null {
  const { commandId, bodyDigest, method, params, deadlineMs } = order;
  const { commandIdLengthMax, methodLengthMax, jsonDepthMax, paramsBytesMax } = COMMAND_LIMITS;
  const invalid = (detail: string): Rejection => ({ code: 'COMMAND_INVALID', detail });
  if (commandId.length === 0 || commandId.length > commandIdLengthMax) return invalid('The command id is too long.');
  if (bodyDigest.length > commandIdLengthMax) return invalid('The digest is too long.');
  if (method.length === 0 || method.length > methodLengthMax) return invalid('The method is empty or too long.');
  if (!Number.isSafeInteger(deadlineMs)) return invalid('The deadline is not a time.');
  if (params === undefined) return null;
  if (jsonProblem(params, jsonDepthMax) !== null) return invalid('params is too deep, or no JSON.');
  return jsonFits(params, paramsBytesMax) ? null : invalid(`params has more than ${paramsBytesMax} bytes.`);
}

/**
 * Who ordered it was told that there was no room. Its workflow orders again while it has not heard that: there may be
 * room now, and the answer stays what it was.
 */
function checkRefused({ commands }: TwinState, order: MessageOf<'orderCommand'>): Rejection | null {
  if (!isOfWorkflow(order) || !commands.refused.includes(order.commandId)) return null;
  return { code: 'TOO_MANY_COMMANDS', detail: 'There was no room for it when it was ordered.' };
}

function checkRoom({ commands }: TwinState, command: TwinCommand): Rejection | null {
  const { pendingMax, pendingBytesMax } = COMMAND_LIMITS;
  const code = 'TOO_MANY_COMMANDS';
  if (commands.pending.length >= pendingMax) return { code, detail: `${pendingMax} commands wait for this device.` };
  if (commands.pendingBytes + commandBytes(command) <= pendingBytesMax) return null;
  return { code, detail: `The commands that wait for this device have ${pendingBytesMax} bytes.` };
}
