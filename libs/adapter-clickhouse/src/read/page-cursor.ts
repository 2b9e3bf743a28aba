import { PlatformError } from '@breakwater/twin-runtime';

const CURSOR_LENGTH_MAX = 1_024;

/** A place in a list, as an opaque text: base64url of a JSON array of the columns that the list is sorted by. */
export function encodeCursor(place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @throws PlatformError REQUEST_INVALID for whatever `encodeCursor` did not write with these types. */
export function decodeCursor<Place extends readonly (string | number)[]>(
  cursor: string,
  types: { readonly [Index in keyof Place]: Place[Index] extends number ? 'number' : 'string' },
): Place {
  const invalid = () => new PlatformError('REQUEST_INVALID', 'the cursor is not one that this list gave');
  if (cursor.length > CURSOR_LENGTH_MAX) throw invalid();
  const wanted: readonly string[] = types;
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw invalid();
  }
  const isPlace =
    Array.isArray(place) &&
    place.length === wanted.length &&
    place.every((value, index) =>
      wanted[index] === 'number' ? Number.isSafeInteger(value) && value >= 0 : typeof value === 'string',
    );
  if (!isPlace) throw invalid();
  return place as unknown as Place;
}
