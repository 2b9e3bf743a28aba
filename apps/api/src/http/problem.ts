import type { ErrorCode } from '@breakwater/wire';

/** One place of a request that cannot be used. */
export interface ProblemPlace {
  /** JSON Pointer (RFC 6901) into the body, or `#query/name`, `#path/name`. */
  readonly pointer: string;
  readonly detail: string;
}

export interface ProblemOptions {
  /** When the code alone does not say it. */
  readonly status?: number;
  readonly errors?: readonly ProblemPlace[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the problem object. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

interface Meaning {
  readonly status: number;
  readonly title: string;
}

/** The HTTP side of the error codes that applications can see. Everything else is a fault of ours. */
const MEANINGS: Readonly<Partial<Record<ErrorCode, Meaning>>> = {
  UNAUTHENTICATED: { status: 401, title: 'A valid API key is needed' },
  FORBIDDEN: { status: 403, title: 'This key may not do that' },
  NOT_FOUND: { status: 404, title: 'There is no such thing' },
  DEVICE_EXISTS: { status: 409, title: 'The device exists' },
  CHILDREN_LIMIT: { status: 409, title: 'The gateway device has enough children' },
  TENANT_EXISTS: { status: 409, title: 'The tenant exists' },
  CA_TAKEN: { status: 409, title: 'The CA vouches for another tenant' },
  CERTIFICATE_INVALID: { status: 422, title: 'The certificate cannot be used' },
  CRL_INVALID: { status: 422, title: 'The revocation list cannot be used' },
  JWKS_INVALID: { status: 422, title: 'The keys cannot be used' },
  REQUEST_INVALID: { status: 400, title: 'The request cannot be used' },
  CURSOR_INVALID: { status: 400, title: 'The cursor cannot be used' },
  CONTENT_TYPE_UNSUPPORTED: { status: 415, title: 'The content type cannot be used' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The body is too large' },
  FRAME_TOO_LARGE: { status: 413, title: 'The write is too large' },
  TWIN_VERSION_CONFLICT: { status: 412, title: 'The twin has another version' },
  TWIN_TOO_LARGE: { status: 422, title: 'The twin would be too large' },
  PATCH_INVALID: { status: 422, title: 'The patch cannot be applied' },
  JSON_TOO_DEEP: { status: 422, title: 'The JSON is nested too deep' },
  COMMAND_INVALID: { status: 422, title: 'The command cannot be ordered' },
  COMMAND_CONFLICT: { status: 409, title: 'It is the id of another command' },
  COMMAND_NOT_FOUND: { status: 404, title: 'There is no such command' },
  COMMAND_SENT: { status: 409, title: 'The command may have reached the device' },
  COMMAND_ENDED: { status: 409, title: 'The command has ended' },
  TOO_MANY_COMMANDS: { status: 429, title: 'Too many commands wait for the device' },
  COMMANDS_UNAVAILABLE: { status: 503, title: 'Commands are not taken at the moment' },
  OPERATION_PENDING: { status: 504, title: 'The write is durable but not yet applied' },
  CONTROL_LAGGING: { status: 503, title: 'The device is served too far behind' },
  LANE_FULL: { status: 503, title: 'The event log is full' },
  SESSION_NOT_CLOSED: { status: 503, title: 'The connection may still be open' },
  STREAM_LIMIT: { status: 503, title: 'Too many streams are open' },
  BACKEND_UNAVAILABLE: { status: 503, title: 'A store is away' },
  INTERNAL: { status: 500, title: 'A fault of ours' },
};

const RETRY_AFTER_SECONDS = '1';

/** An answer other than the wanted one. Thrown by services and transports alike, turned into text at the edge only. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly errors: readonly ProblemPlace[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, detail: string, options: ProblemOptions = {}) {
    super(detail, { cause: options.cause });
    const meaning = MEANINGS[code] ?? { status: 500, title: 'A fault of ours' };
    this.code = code;
    this.status = options.status ?? meaning.status;
    this.title = meaning.title;
    this.errors = options.errors;
    this.members = options.members ?? {};
    this.headers =
      this.status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS, ...options.headers } : (options.headers ?? {});
  }
}

export function notFound(what: string): Problem {
  return new Problem('NOT_FOUND', `there is no such ${what}`);
}

/** The body of `application/problem+json` (RFC 9457). `type` resolves to the page of the code. */
export function problemBody(problem: Problem, request: { instance: string; traceId: string }): Record<string, unknown> {
  return {
    ...problem.members,
    type: `/api/errors/${problem.code}`,
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    instance: request.instance,
    code: problem.code,
    traceId: request.traceId,
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
  };
}
