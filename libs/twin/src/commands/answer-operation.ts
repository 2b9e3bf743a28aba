import { type Decision, NO_EFFECTS, NO_EVENTS, type Rejection } from '../decision.ts';
import { TWIN_LIMITS } from '../limits.ts';
import type { TwinEffect } from '../twin-message.ts';
import type { TwinState } from '../twin-state.ts';

/** The order or cancel of nobody who waits: a workflow hears of its command anyway. */
const NOBODY = '';

/** An application asks and waits; a workflow says what it was told to say, perhaps once more than it had to. */
export function isOfWorkflow({ operationId }: { readonly operationId: string }): boolean {
  return operationId === NOBODY;
}

/** What was done shows in the command itself, so it is not remembered with the operation. */
export function applied({ version }: TwinState, operationId: string): readonly TwinEffect[] {
  if (operationId === NOBODY) return NO_EFFECTS;
  return [{ kind: 'operationAnswered', operationId, outcome: { kind: 'applied', version } }];
}

/** What was refused leaves no other trace: whoever waits finds it among the twin's last operations. */
export function refused({ version }: TwinState, operationId: string, rejection: Rejection): Decision {
  if (operationId === NOBODY) return { events: NO_EVENTS, effects: NO_EFFECTS, rejection };
  const outcome = { kind: 'rejected', ...rejection, version } as const;
  const isKept = operationId.length <= TWIN_LIMITS.operationIdLengthMax;
  return {
    events: isKept ? [{ kind: 'operationRecorded', operationId, outcome }] : NO_EVENTS,
    effects: [{ kind: 'operationAnswered', operationId, outcome }],
    rejection,
  };
}
