import { cutText, moveCommand } from '../commands/change-command.ts';
import { type CommandProgress, findCommand, isEnded } from '../commands/command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import { type Decide, type MessageOf, NO_EFFECTS, NO_EVENTS, NOTHING_TO_DO } from '../decision.ts';

/** The device is at it. Only the first report moves the command; later ones replace how far it is. */
export const decideCommandProgressed: Decide<'commandProgressed'> = (state, message, { nowMs }) => {
  const command = findCommand(state.commands, message.commandId);
  if (command === null || command.dispatches === 0) {
    const rejection = { code: 'COMMAND_NOT_FOUND', detail: 'The device was never given such a command.' } as const;
    return { events: NO_EVENTS, effects: NO_EFFECTS, outcome: 'dead', rejection };
  }
  if (isEnded(command)) return NOTHING_TO_DO;
  const progress = progressOf(message);
  return settleCommands(state, [{ ...moveCommand(command, 'IN_PROGRESS', nowMs), progress }], { nowMs });
};

function progressOf({ percent, note }: MessageOf<'commandProgressed'>): CommandProgress {
  const isPercent = percent !== undefined && percent >= 0 && percent <= 100;
  return {
    ...(isPercent ? { percent: percent + 0 } : {}),
    ...(note === undefined ? {} : { note: cutText(note) }),
  };
}
