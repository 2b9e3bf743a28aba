import type { StoredKind } from '@breakwater/adapter-clickhouse';

const NEWLINE = 0x0a;
const HEAD_BYTES = 256;
const KIND_PATTERN = /"k":"([a-zA-Z]+)"/;

/** The lines of an insert whose kind is not among those that are stored already. */
export function linesWithout(lines: Buffer, stored: ReadonlySet<StoredKind>): Buffer {
  if (stored.size === 0) return lines;
  const kept: Buffer[] = [];
  let start = 0;
  while (start < lines.length) {
    const newline = lines.indexOf(NEWLINE, start);
    const end = newline === -1 ? lines.length : newline + 1;
    const kind = KIND_PATTERN.exec(lines.toString('latin1', start, Math.min(end, start + HEAD_BYTES)))?.[1];
    // What was only counted has no row to be found by; it went in with the dead letters that have one.
    const counted = kind === 'deadLetterCounted' && stored.has('deadLetter');
    if (!counted && !stored.has(kind as StoredKind)) kept.push(lines.subarray(start, end));
    start = end;
  }
  return Buffer.concat(kept);
}
