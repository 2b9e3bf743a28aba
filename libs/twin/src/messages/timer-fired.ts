import { COMMAND_TIMER } from '../commands/command-timer.ts';
import { endByDeadline } from '../commands/change-command.ts';
import { settleCommands } from '../commands/settle-commands.ts';
import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/** A timer that was cleared or set again may still fire once: its generation tells. */
export const decideTimerFired: Decide<'timerFired'> = (state, { timerId, generation }, { nowMs }) => {
  const armed = state.timers.find((timer) => timer.timerId === timerId);
  if (armed === undefined || armed.generation !== generation) return NOTHING_TO_DO;
  const expired = { kind: 'timerExpired', timerId } as const;
  const cleared = { kind: 'timerCleared', timerId } as const;
  if (timerId !== COMMAND_TIMER) return { events: [expired], effects: [cleared] };
  const due = state.commands.pending.filter(({ deadlineMs }) => deadlineMs <= nowMs);
  const ended = due.map((command) => endByDeadline(command, nowMs));
  const { events, effects } = settleCommands(state, ended, { nowMs, timerFired: true });
  return { events: [expired, ...events], effects: [cleared, ...effects] };
};
