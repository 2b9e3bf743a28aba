/** An error as ClickHouse writes it: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`. */
export class ClickHouseError extends Error {
  override readonly name = 'ClickHouseError';
  readonly code: number;
  readonly status: number;

  constructor(code: number, status: number, text: string) {
    super(text);
    this.code = code;
    this.status = status;
  }
}

/** Codes of ClickHouse that this server raises itself. */
export const CODES = {
  badArguments: { code: 36, name: 'BAD_ARGUMENTS', status: 400 },
  notImplemented: { code: 48, name: 'NOT_IMPLEMENTED', status: 501 },
  syntaxError: { code: 62, name: 'SYNTAX_ERROR', status: 400 },
  tooLarge: { code: 307, name: 'TOO_MANY_BYTES', status: 413 },
  tooManyStatements: { code: 202, name: 'TOO_MANY_SIMULTANEOUS_QUERIES', status: 503 },
  authenticationFailed: { code: 516, name: 'AUTHENTICATION_FAILED', status: 403 },
  cannotDecompress: { code: 271, name: 'CANNOT_DECOMPRESS', status: 400 },
  unknown: { code: 1002, name: 'UNKNOWN_EXCEPTION', status: 500 },
} as const;

export function raise(kind: (typeof CODES)[keyof typeof CODES], sentence: string): ClickHouseError {
  return new ClickHouseError(kind.code, kind.status, `Code: ${kind.code}. DB::Exception: ${sentence}. (${kind.name})`);
}

const NOT_FOUND = new Set([16, 46, 47, 50, 56, 60, 63, 73, 81, 115]);
const BAD_REQUEST = new Set([
  6, 20, 26, 27, 32, 33, 36, 38, 41, 42, 43, 53, 57, 62, 69, 70, 72, 82, 108, 117, 457, 456,
]);
const FORBIDDEN = new Set([164, 291, 497, 516]);
const UNAVAILABLE = new Set([202, 439]);

/** The HTTP status that ClickHouse's own server answers with for a code. */
function statusOfCode(code: number): number {
  if (NOT_FOUND.has(code)) return 404;
  if (BAD_REQUEST.has(code)) return 400;
  if (FORBIDDEN.has(code)) return 403;
  if (UNAVAILABLE.has(code)) return 503;
  return code === 48 ? 501 : 500;
}

const CODE_PATTERN = /Code: (\d+)\. DB::/;

/** Reads what chDB raised. Whatever has no code becomes UNKNOWN_EXCEPTION: an answer always has one. */
export function fromEngine(error: unknown): ClickHouseError {
  if (error instanceof ClickHouseError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const match = CODE_PATTERN.exec(text);
  if (match === null) return raise(CODES.unknown, text === '' ? 'the engine gave no reason' : text);
  const code = Number(match[1]);
  return new ClickHouseError(code, statusOfCode(code), text.slice(match.index));
}
