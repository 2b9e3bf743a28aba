import type { CommandState, DeviceId, JsonValue, TwinCommand } from '@breakwater/twin';

interface TransitionView {
  readonly state: CommandState;
  readonly at: number;
  readonly reason?: string;
}

/** A command as applications see it. Times are Unix ms. */
export interface CommandView {
  readonly commandId: string;
  readonly deviceId: DeviceId;
  readonly method: string;
  readonly params?: JsonValue;
  readonly state: CommandState;
  readonly orderedAt: number;
  readonly deadline: number;
  readonly attempts: number;
  readonly transitions: readonly TransitionView[];
  readonly progress?: { readonly percent?: number; readonly note?: string };
  readonly result?: JsonValue;
  readonly resultTooLarge?: true;
  readonly deliveryUnknown?: true;
  readonly mayHaveRun?: true;
  readonly late?: TransitionView;
}

export function viewCommand(deviceId: DeviceId, command: TwinCommand): CommandView {
  const { commandId, method, params, state, orderedAtMs, deadlineMs, dispatches, transitions } = command;
  const { progress, result, resultTooLarge, deliveryUnknown, mayHaveRun, late } = command;
  return {
    commandId,
    deviceId,
    method,
    ...(params === undefined ? {} : { params }),
    state,
    orderedAt: orderedAtMs,
    deadline: deadlineMs,
    attempts: dispatches,
    transitions: transitions.map(viewTransition),
    ...(progress === undefined ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
    ...(resultTooLarge === undefined ? {} : { resultTooLarge }),
    ...(deliveryUnknown === undefined ? {} : { deliveryUnknown }),
    ...(mayHaveRun === undefined ? {} : { mayHaveRun }),
    ...(late === undefined ? {} : { late: viewTransition(late) }),
  };
}

function viewTransition({ state, atMs, reason }: TwinCommand['transitions'][number]): TransitionView {
  return { state, at: atMs, ...(reason === undefined ? {} : { reason }) };
}
