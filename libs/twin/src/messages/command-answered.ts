import { moveCommand, transition, withResult } from '../commands/change-command.ts';
import { findCommand, isEnded, type TwinCommand } from '../commands/command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import { type Decide, type Decision, type MessageOf, NO_EFFECTS, NO_EVENTS, NOTHING_TO_DO } from '../decision.ts';
import type { TwinState } from '../twin-state.ts';

/**
 * The device's answer ends its command. The same answer again is a resend and means nothing; one that comes after the
 * end enters the history and changes no state; one to a command that the device was never given is refused.
 */
export const decideCommandAnswered: Decide<'commandAnswered'> = (state, message, { nowMs }) => {
  const command = commandOf(state, message);
  if (command === null || command.dispatches === 0) {
    const rejection = { code: 'COMMAND_NOT_FOUND', detail: 'The device was never given such a command.' } as const;
    return { events: NO_EVENTS, effects: NO_EFFECTS, outcome: 'dead', rejection };
  }
  const { status, result, reason } = message;
  if (isEnded(command)) return late(command, message, nowMs);
  const answered = withResult(moveCommand(command, status, nowMs, reason), result);
  return settleCommands(state, [answered], { nowMs });
};

function commandOf({ commands }: TwinState, message: MessageOf<'commandAnswered'>): TwinCommand | null {
  if (message.commandId !== undefined) return findCommand(commands, message.commandId);
  const isIt = ({ requestId }: TwinCommand): boolean => requestId === message.requestId;
  return commands.pending.find(isIt) ?? commands.ended.find(isIt) ?? null;
}

function late(command: TwinCommand, { status, reason }: MessageOf<'commandAnswered'>, nowMs: number): Decision {
  if (command.late !== undefined || command.state === status) return NOTHING_TO_DO;
  const changed = { ...command, late: transition(status, nowMs, reason) };
  return {
    events: [{ kind: 'commandChanged', command: changed }],
    effects: [{ kind: 'commandChanged', command: changed }],
  };
}
