import { assert } from './assert.ts';
import { type Decision, NO_EFFECTS, NO_EVENTS, type Rejection } from './decision.ts';
import { moveCommand } from './commands/change-command.ts';
import { newCommand } from './commands/new-command.ts';
import { DECIDERS } from './messages/index.ts';
import type { TwinContext, TwinEffect, TwinMessage } from './twin-message.ts';
import { newTwin, type TwinState } from './twin-state.ts';

const DELETED: Rejection = { code: 'NOT_FOUND', detail: 'The device was deleted.' };

/**
 * What a message means for a twin. A life of a device id ends with its deletion or with the first record of a later
 * life; whatever still arrives from it is superseded and changes nothing.
 */
export function decide(state: TwinState, message: TwinMessage, context: TwinContext): Decision {
  // A dead letter is counted as one whoever it came from.
  if (message.kind === 'deadLetter') return DECIDERS.deadLetter(state, message, context);
  if (context.incarnation > state.incarnation) {
    const fresh = decideByKind(newTwin(state, context.incarnation), message, context);
    const started = { kind: 'incarnationStarted', incarnation: context.incarnation } as const;
    return { ...fresh, events: [started, ...fresh.events] };
  }
  if (context.incarnation < state.incarnation || state.deletedAtMs !== null) {
    return {
      events: NO_EVENTS,
      effects: answerLate(state, message, context),
      rejection: DELETED,
      outcome: 'superseded',
    };
  }
  return decideByKind(state, message, context);
}

function decideByKind(state: TwinState, message: TwinMessage, context: TwinContext): Decision {
  assert(Object.hasOwn(DECIDERS, message.kind), `there is a decision for every message, ${message.kind} too`);
  // The compiler can not see that the entry under a kind takes the message of that kind; the registry's type says so.
  const decider = DECIDERS[message.kind] as (state: TwinState, message: TwinMessage, context: TwinContext) => Decision;
  return decider(state, message, context);
}

function isOperation(message: TwinMessage): message is TwinMessage & { readonly operationId: string } {
  return message.kind === 'patchTwin' || message.kind === 'orderCommand' || message.kind === 'cancelCommand';
}

/** An application waits for its write; without an answer it would wait until its time is over. */
function answerLate(state: TwinState, message: TwinMessage, { nowMs }: TwinContext): readonly TwinEffect[] {
  if (!isOperation(message)) return NO_EFFECTS;
  const { operationId } = message;
  const outcome = { kind: 'rejected', ...DELETED, version: state.version } as const;
  const answers: TwinEffect[] = operationId === '' ? [] : [{ kind: 'operationAnswered', operationId, outcome }];
  if (message.kind !== 'orderCommand') return answers;
  // Nor may its workflow wait for a device that is gone.
  const { params: _unchecked, ...order } = message;
  const command = moveCommand(newCommand(order, 0, nowMs), 'REJECTED', nowMs, DELETED.detail);
  return [...answers, { kind: 'commandChanged', command }];
}
