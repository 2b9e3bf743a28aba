import { commandBytes } from '../commands/command-bytes.ts';
import { COMMAND_LIMITS } from '../commands/command-limits.ts';
import { isEnded, type TwinCommand, type TwinCommands } from '../commands/command.ts';
import { jsonBytes } from '../json-size.ts';
import type { JsonValue } from '../json.ts';
import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

/** An order that is taken was refused before at most: from now on it is known by itself. */
function withoutRefused({ refused }: TwinCommands, commandId: string): readonly string[] {
  return refused.includes(commandId) ? refused.filter((known) => known !== commandId) : refused;
}

/** The command as it is now takes the place of what it was; when it has ended, among those that ended. */
export function evolveCommandChanged(state: TwinState, { command }: EventOf<'commandChanged'>): TwinState {
  const { commands } = state;
  const isOther = ({ requestId }: TwinCommand): boolean => requestId !== command.requestId;
  const wasPending = !commands.pending.every(isOther);
  const count = Math.max(commands.count, command.requestId);
  const refused = withoutRefused(commands, command.commandId);
  if (!isEnded(command)) {
    const pending = wasPending
      ? commands.pending.map((known) => (isOther(known) ? known : command))
      : [...commands.pending, command];
    const pendingBytes = commands.pendingBytes + (wasPending ? 0 : commandBytes(command));
    return { ...state, commands: { ...commands, pending, pendingBytes, refused, count } };
  }
  const pending = wasPending ? commands.pending.filter(isOther) : commands.pending;
  const pendingBytes = commands.pendingBytes - (wasPending ? commandBytes(command) : 0);
  const isKnown = !commands.ended.every(isOther);
  const ended = isKnown
    ? commands.ended.map((known) => (isOther(known) ? known : command))
    : [...commands.ended, command];
  return { ...state, commands: { ...commands, pending, pendingBytes, refused, count, ended: withinLimits(ended) } };
}

/** The oldest leave first; a command without its result is still recognised, but its text is the history's. */
function withinLimits(ended: readonly TwinCommand[]): readonly TwinCommand[] {
  let kept = ended.slice(-COMMAND_LIMITS.endedMax);
  let bytes = jsonBytes(kept as unknown as JsonValue);
  while (bytes > COMMAND_LIMITS.endedBytesMax && kept.length > 1) {
    kept = kept.slice(1);
    bytes = jsonBytes(kept as unknown as JsonValue);
  }
  return kept;
}
