import { jsonFits, jsonProblem } from '../json-size.ts';
import { canonicalJson } from '../canonical-json.ts';
import { type Decide, type MessageOf, NO_EVENTS, type Rejection } from '../decision.ts';
import { COMMAND_LIMITS } from '../commands/command-limits.ts';
import { findCommand, type TwinCommand } from '../commands/command.ts';
import { commandBytes } from '../commands/command-bytes.ts';
import { endByDeadline, moveCommand } from '../commands/change-command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import type { TwinEffect } from '../twin-message.ts';
import type { TwinState } from '../twin-state.ts';

type OrderCommand = MessageOf<'orderCommand'>;

/**
 * An operator orders something. Both the API and the command's workflow may say so, each more than once: the first word
 * counts, the same word again is answered with what became of it, and another order under the same id is refused.
 */
export const decideOrderCommand: Decide<'orderCommand'> = (state, message, { nowMs }) => {
  const known = findCommand(state.commands, message.commandId);
  if (known !== null) {
    const isSame = known.bodyDigest === message.bodyDigest;
    const detail = `${message.commandId} is another command of this device.`;
    if (!isSame) return refuse(state, message, { code: 'COMMAND_CONFLICT', detail });
    return { events: NO_EVENTS, effects: [{ kind: 'commandChanged', command: known }, applied(state, message)] };
  }
  const rejection = checkOrder(message);
  if (rejection !== null) return refuse(state, message, rejection);
  const command = newCommand(state, message, nowMs);
  const full = checkRoom(state, command);
  // What is refused for want of room has ended for its workflow, yet the id may be used again.
  if (full !== null) {
    const rejected = moveCommand(command, 'REJECTED', nowMs, full.detail);
    const { effects, ...decision } = refuse(state, message, full);
    return { ...decision, effects: [{ kind: 'commandChanged', command: rejected }, ...effects] };
  }
  const ordered = command.deadlineMs <= nowMs ? endByDeadline(command, nowMs) : command;
  const { events, effects } = settleCommands(state, [ordered], { nowMs });
  return { events, effects: [...effects, applied(state, message)] };
};

function newCommand({ commands }: TwinState, message: OrderCommand, nowMs: number): TwinCommand {
  const { commandId, bodyDigest, method, params, deadlineMs } = message;
  return {
    commandId,
    bodyDigest,
    requestId: commands.count + 1,
    method,
    ...(params === undefined ? {} : { params: canonicalJson(params) }),
    orderedAtMs: nowMs,
    deadlineMs: Math.min(deadlineMs, nowMs + COMMAND_LIMITS.lifeMsMax),
    state: 'QUEUED',
    transitions: [{ state: 'QUEUED', atMs: nowMs }],
    dispatches: 0,
    notSent: 0,
    dispatchEpoch: 0 as TwinCommand['dispatchEpoch'],
  };
}

function checkOrder({ commandId, bodyDigest, method, params, deadlineMs }: OrderCommand): Rejection | null {
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

function checkRoom({ commands }: TwinState, command: TwinCommand): Rejection | null {
  const { pendingMax, pendingBytesMax } = COMMAND_LIMITS;
  const code = 'TOO_MANY_COMMANDS';
  if (commands.pending.length >= pendingMax) return { code, detail: `${pendingMax} commands wait for this device.` };
  if (commands.pendingBytes + commandBytes(command) <= pendingBytesMax) return null;
  return { code, detail: `The commands that wait for this device have ${pendingBytesMax} bytes.` };
}

function refuse(state: TwinState, message: OrderCommand, rejection: Rejection) {
  return { events: NO_EVENTS, effects: [rejected(state, message, rejection)], rejection };
}

function applied({ version }: TwinState, { operationId }: OrderCommand): TwinEffect {
  return { kind: 'operationAnswered', operationId, outcome: { kind: 'applied', version } };
}

function rejected({ version }: TwinState, { operationId }: OrderCommand, rejection: Rejection): TwinEffect {
  return { kind: 'operationAnswered', operationId, outcome: { kind: 'rejected', ...rejection, version } };
}
