import type { TwinState } from '../twin-state.ts';
import { armCommandTimer } from './command-timer.ts';
import type { CommandWork } from './command-work.ts';
import { isEnded, type TwinCommand } from './command.ts';
import { dispatchWaiting } from './dispatch-commands.ts';

export interface SettleOptions {
  readonly nowMs: number;
  /** The timer for deadlines has just fired. */
  readonly timerFired?: boolean;
}

/**
 * What follows from commands that have changed: they are told of, those that waited for their room are sent, and the
 * timer is set for those that go on.
 */
export function settleCommands(
  state: TwinState,
  changed: readonly TwinCommand[],
  { nowMs, timerFired = false }: SettleOptions,
): CommandWork {
  const pending = pendingAfter(state.commands.pending, changed);
  const sent = dispatchWaiting(state, pending, { nowMs });
  const timer = armCommandTimer(state, pending, timerFired);
  return {
    events: [
      ...changed.map((command) => ({ kind: 'commandChanged', command }) as const),
      ...sent.events,
      ...timer.events,
    ],
    effects: [
      ...changed.map((command) => ({ kind: 'commandChanged', command }) as const),
      ...sent.effects,
      ...timer.effects,
    ],
  };
}

function pendingAfter(pending: readonly TwinCommand[], changed: readonly TwinCommand[]): readonly TwinCommand[] {
  const byId = new Map(pending.map((command) => [command.commandId, command]));
  for (const command of changed) {
    if (isEnded(command)) byId.delete(command.commandId);
    else byId.set(command.commandId, command);
  }
  return [...byId.values()];
}
