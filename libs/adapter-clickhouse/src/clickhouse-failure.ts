import { PlatformError } from '@breakwater/twin-runtime';

/**
 * Codes of ClickHouse that say "later", not "never"; 60 and 81: the writer has not made the schema yet; 243: a full
 * disk, which merges and retention empty again.
 */
const LATER_CODES = new Set(['60', '81', '159', '160', '202', '209', '210', '241', '243', '252', '439', '1002']);

/** What went wrong at ClickHouse, as a code of ours. A request without an answer has an unknown outcome. */
export function clickHouseFailure(error: unknown, doing: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (text.includes('STALE_EPOCH')) {
    return new PlatformError('STALE_EPOCH', `${doing}: another writer owns these partitions now`, { cause: error });
  }
  const answered = /^\d+$/.test(code);
  const retryable = !answered || LATER_CODES.has(code);
  return new PlatformError('BACKEND_UNAVAILABLE', `${doing}: ClickHouse: ${text.slice(0, 500) || code}`, {
    cause: error,
    retryable,
    details: { clickhouseCode: code },
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
