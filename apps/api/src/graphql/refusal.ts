import type { ErrorCode } from '@breakwater/wire';

import { problemFromError } from '../http/problem-from-error.ts';

/** An expected failure as data: clients handle it by type, next to the success. */
export interface Refusal {
  readonly __typename: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly operationId?: unknown;
}

const TYPES: Readonly<Partial<Record<ErrorCode, string>>> = {
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
};

/** @throws the error itself when it is none that a client can be expected to handle by type */
export function refusalOf(error: unknown): Refusal {
  const problem = problemFromError(error);
  const type = TYPES[problem.code];
  if (type === undefined) throw error;
  const { operationId } = problem.members;
  return {
    __typename: type,
    code: problem.code,
    message: problem.message,
    ...(operationId === undefined ? {} : { operationId }),
  };
}
