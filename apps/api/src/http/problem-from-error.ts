import { HttpException } from '@nestjs/common';
import { type ErrorCode, isErrorCode } from '@breakwater/wire';

import { Problem } from './problem.ts';

/** Codes of errors by which Node and its clients say that the other side is away. */
const AWAY_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'NR_CLOSED',
]);
const AWAY_NAMES: ReadonlySet<string> = new Set(['MaxRetriesPerRequestError', 'ClusterAllFailedError', 'AbortError']);
const AWAY_MESSAGE = /connection is closed|stream isn't writeable|command timed out|connection is in monitoring/i;

/**
 * The problem that an error of any origin is to the application. What is not known is a fault of ours and says nothing.
 */
export function problemFromError(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HttpException) return problemOfStatus(error.getStatus(), error.message, error);
  if (!(error instanceof Error)) return internal(error);
  const code = 'code' in error ? String(error.code) : '';
  if (code.startsWith('FST_')) return problemOfFastify(error, code);
  const isAway = AWAY_CODES.has(code) || AWAY_NAMES.has(error.name) || AWAY_MESSAGE.test(error.message);
  if (isAway) return storeIsAway(error);
  if (error.name === 'PlatformError' && isErrorCode(code)) return problemOfPlatform(error, code);
  const status = 'statusCode' in error ? Number(error.statusCode) : 500;
  return status >= 400 && status < 500 ? problemOfStatus(status, error.message, error) : internal(error);
}

/** What a store says of itself (addresses, names of tables) is for the log, not for applications. */
function problemOfPlatform(error: Error, code: ErrorCode): Problem {
  if (code === 'BACKEND_UNAVAILABLE') return storeIsAway(error);
  const problem = new Problem(code, error.message, { cause: error });
  return problem.status === 500 ? internal(error) : problem;
}

function storeIsAway(cause: unknown): Problem {
  return new Problem('BACKEND_UNAVAILABLE', 'a store that this answer needs is away, or too slow', { cause });
}

function problemOfFastify(error: Error, code: string): Problem {
  const status = 'statusCode' in error ? Number(error.statusCode) : 500;
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new Problem('CONTENT_TYPE_UNSUPPORTED', 'this route takes application/json', { cause: error });
  }
  return status >= 500 ? internal(error) : problemOfStatus(status, error.message, error);
}

function problemOfStatus(status: number, detail: string, cause: unknown): Problem {
  switch (status) {
    case 401:
      return new Problem('UNAUTHENTICATED', detail, { cause });
    case 403:
      return new Problem('FORBIDDEN', detail, { cause });
    case 404:
      return new Problem('NOT_FOUND', 'there is nothing at this path for this method', { cause });
    case 413:
      return new Problem('PAYLOAD_TOO_LARGE', 'the body is larger than this route takes', { cause });
    case 415:
      return new Problem('CONTENT_TYPE_UNSUPPORTED', detail, { cause });
    case 503:
      return new Problem('BACKEND_UNAVAILABLE', detail, { cause });
    default:
      return status >= 400 && status < 500
        ? new Problem('REQUEST_INVALID', detail, { status, cause })
        : internal(cause);
  }
}

function internal(cause: unknown): Problem {
  return new Problem('INTERNAL', 'something went wrong here; the trace id finds it in the log', { cause });
}
