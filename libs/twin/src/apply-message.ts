import { decide } from './decide.ts';
import type { Rejection } from './decision.ts';
import { evolve } from './evolve.ts';
import type { RecordOutcome, TwinContext, TwinEffect, TwinMessage } from './twin-message.ts';
import type { TwinState } from './twin-state.ts';

export interface AppliedMessage {
  /** The same reference as before when nothing is to be stored. */
  readonly state: TwinState;
  readonly effects: readonly TwinEffect[];
  /** `applied` exactly when the state is another one, unless the record was dead or superseded. */
  readonly outcome: RecordOutcome;
  /** Why it was refused. What is `dead` for it and was answered to nobody is kept as a dead letter. */
  readonly rejection?: Rejection;
}

/** Decides a message and applies what was decided. */
export function applyMessage(state: TwinState, message: TwinMessage, context: TwinContext): AppliedMessage {
  const decision = decide(state, message, context);
  let next = state;
  for (const event of decision.events) next = evolve(next, event);
  return {
    state: next,
    effects: decision.effects,
    outcome: decision.outcome ?? (next === state ? 'noop' : 'applied'),
    ...(decision.rejection === undefined ? {} : { rejection: decision.rejection }),
  };
}
