import type { ErrorCode } from '@breakwater/wire';

import { problemFromError } from '../http/problem-from-error.ts';

/** An expected failure as data: clients handle it by type, next to the success. */
export interface Refusal {
  readonly __typename: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly operationId?: unknown;
  readonly commandId?: unknown;
}

type TypeNames = Readonly<Partial<Record<ErrorCode, string>>>;

const TYPES: TypeNames = {
  TWIN_VERSION_CONFLICT: 'VersionConflict',
  TWIN_TOO_LARGE: 'PatchRefused',
  PATCH_INVALID: 'PatchRefused',
  JSON_TOO_DEEP: 'PatchRefused',
  FRAME_TOO_LARGE: 'PatchRefused',
  NOT_FOUND: 'DeviceNotFound',
  DEVICE_EXISTS: 'DeviceExists',
  OPERATION_PENDING: 'WritePending',
  CONTROL_LAGGING: 'TryAgainLater',
  LANE_FULL: 'TryAgainLater',
  BACKEND_UNAVAILABLE: 'TryAgainLater',
  COMMAND_INVALID: 'CommandInvalid',
  COMMAND_CONFLICT: 'CommandConflict',
  COMMAND_NOT_FOUND: 'CommandNotFound',
  COMMAND_SENT: 'CommandSent',
  COMMAND_ENDED: 'CommandEnded',
  TOO_MANY_COMMANDS: 'TooManyCommands',
  COMMANDS_UNAVAILABLE: 'CommandsUnavailable',
};

/** What the same codes mean when a command is canceled. */
export const CANCEL_TYPES: TypeNames = { NOT_FOUND: 'CommandNotFound', OPERATION_PENDING: 'CancelPending' };

/** @throws the error itself when it is none that a client can be expected to handle by type */
export function refusalOf(error: unknown, types: TypeNames = {}): Refusal {
  const problem = problemFromError(error);
  const type = types[problem.code] ?? TYPES[problem.code];
  if (type === undefined) throw error;
  const { operationId, commandId } = problem.members;
  return {
    __typename: type,
    code: problem.code,
    message: problem.message,
    ...(operationId === undefined ? {} : { operationId }),
    ...(commandId === undefined ? {} : { commandId }),
  };
}
