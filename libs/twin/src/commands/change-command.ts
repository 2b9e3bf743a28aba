import { jsonFits, jsonProblem } from '../json-size.ts';
import type { JsonValue } from '../json.ts';
import { canonicalJson } from '../canonical-json.ts';
import { COMMAND_LIMITS } from './command-limits.ts';
import { type CommandState, type CommandTransition, rankOf, type TwinCommand } from './command.ts';

/**
 * The command in another state. Nothing leads back, and nothing leads out of an end: then it stays as it is. Times come
 * from several clocks, and must not run backwards in what is told of one command.
 */
export function moveCommand(command: TwinCommand, state: CommandState, atMs: number, reason?: string): TwinCommand {
  if (rankOf(state) <= rankOf(command.state)) return command;
  const { transitions } = command;
  const time = Math.max(atMs, transitions.at(-1)?.atMs ?? atMs);
  return { ...command, state, transitions: [...transitions, transition(state, time, reason)] };
}

export function transition(state: CommandState, atMs: number, reason?: string): CommandTransition {
  return reason === undefined || reason === '' ? { state, atMs } : { state, atMs, reason: cutText(reason) };
}

/** What the device says came out of it. A result that is too large or too deep is left out, and the command says so. */
export function withResult(command: TwinCommand, result: JsonValue | undefined): TwinCommand {
  if (result === undefined || result === null) return command;
  const { jsonDepthMax, resultBytesMax } = COMMAND_LIMITS;
  const isKept = jsonProblem(result, jsonDepthMax) === null && jsonFits(result, resultBytesMax);
  if (!isKept) return { ...command, resultTooLarge: true };
  return { ...command, result: canonicalJson(result) };
}

/** The end of a command whose deadline has passed. What may have reached the device has not simply expired. */
export function endByDeadline(command: TwinCommand, nowMs: number): TwinCommand {
  const { dispatches, notSent } = command;
  if (dispatches <= notSent) return moveCommand(command, 'EXPIRED', nowMs, 'the deadline passed before it was sent');
  const ended = moveCommand(command, 'TIMED_OUT', nowMs, 'the deadline passed without an answer');
  return rankOf(command.state) < rankOf('DELIVERED') ? { ...ended, deliveryUnknown: true } : ended;
}

/** Cut between characters: half of a surrogate pair at the end goes too. */
export function cutText(text: string): string {
  if (text.length <= COMMAND_LIMITS.textLengthMax) return text;
  return text.slice(0, COMMAND_LIMITS.textLengthMax).replace(/[\ud800-\udbff]$/u, '');
}
