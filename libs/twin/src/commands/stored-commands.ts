import { assert } from '../assert.ts';
import type { Presence } from '../twin-state.ts';
import { commandBytes } from './command-bytes.ts';
import { NO_COMMANDS, type TwinCommand, type TwinCommands } from './command.ts';

export type StoredCommands = Omit<TwinCommands, 'pendingBytes' | 'refused'> & Partial<Pick<TwinCommands, 'refused'>>;

/** The member of a stored state, with its comma; nothing for a device that was never ordered anything. */
export function storedCommands({ pending, ended, refused, count, timerGeneration }: TwinCommands): string {
  if (count === 0 && refused.length === 0) return '';
  const stored: StoredCommands = {
    pending: pending.map(inOrder),
    ended: ended.map(inOrder),
    count,
    timerGeneration,
    // Most devices never have too many commands.
    ...(refused.length === 0 ? {} : { refused }),
  };
  return `,"commands":${JSON.stringify(stored)}`;
}

/** A presence as it is stored: most devices do not listen to commands, and their states need not say so. */
export function storedPresence(presence: Presence): object {
  const { connected, sinceMs, sessionEpoch, desiredSubscribed, commandsSubscribed, reason, status } = presence;
  const listens = commandsSubscribed ? { commandsSubscribed } : {};
  return { connected, sinceMs, sessionEpoch, desiredSubscribed, ...listens, reason, status };
}

export function toCommands(stored: StoredCommands | undefined): TwinCommands {
  if (stored === undefined) return NO_COMMANDS;
  const { pending, ended, count, timerGeneration, refused = NO_COMMANDS.refused } = stored;
  assert(Array.isArray(pending) && Array.isArray(ended) && Array.isArray(refused), 'the commands are lists');
  const pendingBytes = pending.reduce((sum, command) => sum + commandBytes(command), 0);
  return { pending, ended, refused, count, timerGeneration, pendingBytes };
}

/** The same command has the same bytes, whichever way it came about: its members stand in one order. */
function inOrder(command: TwinCommand): TwinCommand {
  const { commandId, bodyDigest, requestId, method, params, orderedAtMs, deadlineMs, state, transitions } = command;
  const { dispatches, notSent, lastNotSent, dispatchEpoch, progress, result } = command;
  const { resultTooLarge, deliveryUnknown, mayHaveRun, late } = command;
  return {
    commandId,
    bodyDigest,
    requestId,
    method,
    ...(params === undefined ? {} : { params }),
    orderedAtMs,
    deadlineMs,
    state,
    transitions,
    dispatches,
    notSent,
    ...(lastNotSent === undefined ? {} : { lastNotSent }),
    dispatchEpoch,
    ...(progress === undefined ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
    ...(resultTooLarge === undefined ? {} : { resultTooLarge }),
    ...(deliveryUnknown === undefined ? {} : { deliveryUnknown }),
    ...(mayHaveRun === undefined ? {} : { mayHaveRun }),
    ...(late === undefined ? {} : { late }),
  };
}
