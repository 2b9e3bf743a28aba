import type { TwinEvent } from '../twin-event.ts';
import type { TwinEffect } from '../twin-message.ts';
import type { TwinState } from '../twin-state.ts';
import { COMMAND_LIMITS } from './command-limits.ts';
import { type CommandWork, NO_WORK } from './command-work.ts';
import { mayBeThere, rankOf, type TwinCommand } from './command.ts';

/** The open session hears of commands, and so they may be given to it. */
export function listensToCommands({ presence }: TwinState): boolean {
  return presence.connected && presence.commandsSubscribed;
}

export interface DispatchOptions {
  readonly nowMs: number;
  /** The session has just subscribed: what it did not listen to before, it may listen to now. */
  readonly hasSubscribed?: boolean;
}

/**
 * Gives the session what waits for it, in order, as much as may be on its way at once. A command without a PUBACK that
 * an earlier session got is given to this one again, under its own id: the device knows it by that. One that was
 * delivered is the device's, and is not given again.
 */
export function dispatchWaiting(
  state: TwinState,
  pending: readonly TwinCommand[],
  { nowMs, hasSubscribed = false }: DispatchOptions,
): CommandWork {
  if (!listensToCommands(state)) return NO_WORK;
  const { sessionEpoch } = state.presence;
  const undelivered = pending.filter((command) => rankOf(command.state) < rankOf('DELIVERED'));
  // One that this session could not take is not pressed on it: its workflow asks again after a while, or the device
  // itself, which subscribes again.
  const isHere = (command: TwinCommand): boolean =>
    command.dispatchEpoch === sessionEpoch && !(hasSubscribed && command.lastNotSent === true);
  const underWay = undelivered.filter((command) => isHere(command) && mayBeThere(command));
  let room = COMMAND_LIMITS.inFlightMax - underWay.length;
  const events: TwinEvent[] = [];
  const effects: TwinEffect[] = [];
  for (const command of undelivered) {
    if (room <= 0) break;
    if (isHere(command) || command.deadlineMs <= nowMs || command.dispatches >= COMMAND_LIMITS.dispatchesMax) continue;
    const { event, effect } = dispatch(state, command, nowMs);
    events.push(event);
    effects.push(effect);
    room -= 1;
  }
  return { events, effects };
}

/** Gives one command to the open session. */
export function dispatch(
  { presence, version }: TwinState,
  command: TwinCommand,
  nowMs: number,
): { readonly event: TwinEvent; readonly effect: TwinEffect } {
  const { commandId, requestId, method, params, deadlineMs } = command;
  const { sessionEpoch } = presence;
  const { lastNotSent: _last, ...rest } = command;
  const dispatched = { ...rest, dispatches: command.dispatches + 1, dispatchEpoch: sessionEpoch };
  return {
    event: { kind: 'commandChanged', command: dispatched },
    effect: {
      kind: 'downlink',
      topic: `commands/${commandId}/request`,
      payload: {
        method,
        ...(params === undefined ? {} : { params }),
        deadline: deadlineMs,
        // A device whose clock is wrong counts from here.
        expiresInMs: deadlineMs - nowMs,
      },
      qos: 1,
      sessionEpoch,
      twinVersion: version,
      command: { commandId, requestId, dispatch: dispatched.dispatches, deadlineMs },
    },
  };
}
