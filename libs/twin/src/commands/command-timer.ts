import type { TwinState } from '../twin-state.ts';
import type { TwinCommand } from './command.ts';
import { type CommandWork, NO_WORK } from './command-work.ts';

/** The one timer of a twin's commands: due at the earliest deadline, or earlier and then set again. */
export const COMMAND_TIMER = 'commands';

/**
 * Sets the timer if it would be late for one of these. It is not put off when the earliest command ends: it fires,
 * finds nothing, and is set again then. `firing`: it has just fired, so it is not set any more.
 */
export function armCommandTimer(state: TwinState, pending: readonly TwinCommand[], firing = false): CommandWork {
  const dueAtMs = pending.reduce((earliest, { deadlineMs }) => Math.min(earliest, deadlineMs), Infinity);
  if (dueAtMs === Infinity) return NO_WORK;
  const armed = firing ? undefined : state.timers.find(({ timerId }) => timerId === COMMAND_TIMER);
  if (armed?.dueAtMs !== undefined && armed.dueAtMs <= dueAtMs) return NO_WORK;
  // Generations grow through all settings, so that what an older one still fires is void.
  const timer = { timerId: COMMAND_TIMER, generation: state.commands.timerGeneration + 1, dueAtMs };
  return { events: [{ kind: 'commandTimerArmed', ...timer }], effects: [{ kind: 'timerSet', ...timer }] };
}
