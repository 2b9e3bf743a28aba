import { COMMAND_LIMITS } from '../commands/command-limits.ts';
import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveCommandRefused(state: TwinState, { commandId }: EventOf<'commandRefused'>): TwinState {
  const { commands } = state;
  const others = commands.refused.filter((known) => known !== commandId);
  const refused = [...others, commandId].slice(-COMMAND_LIMITS.refusedMax);
  return { ...state, commands: { ...commands, refused } };
}
