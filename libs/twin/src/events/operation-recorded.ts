import { TWIN_LIMITS } from '../limits.ts';
import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

export function evolveOperationRecorded(state: TwinState, event: EventOf<'operationRecorded'>): TwinState {
  const { operationId, outcome } = event;
  return { ...state, operations: [...state.operations, { operationId, outcome }].slice(-TWIN_LIMITS.operationsMax) };
}
