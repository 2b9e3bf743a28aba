import { Problem } from './problem.ts';

const CURSOR_PATTERN = /^[A-Za-z0-9_-]{1,1024}$/;

/** Puts a kind in front of the place, so that the cursor of one list is refused by every other. */
export function encodeCursor(kind: string, place: string): string {
  return Buffer.from(`${kind}:${place}`, 'utf8').toString('base64url');
}

/** @throws Problem CURSOR_INVALID when it was not made by `encodeCursor` with the same kind. */
export function decodeCursor(kind: string, cursor: string): string {
  const text = CURSOR_PATTERN.test(cursor) ? Buffer.from(cursor, 'base64url').toString('utf8') : '';
  const prefix = `${kind}:`;
  if (!text.startsWith(prefix) || encodeCursor(kind, text.slice(prefix.length)) !== cursor) throw cursorInvalid();
  return text.slice(prefix.length);
}

export function cursorInvalid(): Problem {
  return new Problem('CURSOR_INVALID', 'the cursor was not made by this list', {
    errors: [{ pointer: '#query/cursor', detail: 'unknown cursor' }],
  });
}
