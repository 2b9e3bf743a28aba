import { moveCommand } from '../commands/change-command.ts';
import { findCommand, isEnded, rankOf, type TwinCommand } from '../commands/command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import { type Decide, type MessageOf, NOTHING_TO_DO } from '../decision.ts';

const REFUSED_FROM = 0x80;

/**
 * The gateway says what became of a dispatch. `SENT` means a live session took it and `DELIVERED` means the device's
 * PUBACK: neither is concluded from anything else.
 */
export const decideCommandDelivery: Decide<'commandDelivery'> = (state, message, { nowMs }) => {
  const command = findCommand(state.commands, message.commandId);
  if (command === null || isEnded(command) || command.dispatches === 0) return NOTHING_TO_DO;
  const next = afterDelivery(command, message, nowMs);
  return next === command ? NOTHING_TO_DO : settleCommands(state, [next], { nowMs });
};

function afterDelivery(command: TwinCommand, message: MessageOf<'commandDelivery'>, nowMs: number): TwinCommand {
  const { outcome, dispatch, sentAtMs, reasonCode = 0 } = message;
  const sent = moveCommand(command, 'SENT', Math.min(sentAtMs ?? nowMs, nowMs));
  switch (outcome) {
    case 'sent':
      return sent;
    case 'delivered':
      if (reasonCode < REFUSED_FROM) return moveCommand(sent, 'DELIVERED', nowMs);
      return moveCommand(
        sent,
        'REJECTED',
        nowMs,
        `the device refused it with reason code 0x${reasonCode.toString(16)}`,
      );
    case 'notSent':
      // Only the last dispatch can still be news; each says so once.
      if (dispatch !== command.dispatches || rankOf(command.state) > 0) return command;
      if (command.lastNotSent === true) return command;
      return { ...command, notSent: command.notSent + 1, lastNotSent: true };
  }
}
