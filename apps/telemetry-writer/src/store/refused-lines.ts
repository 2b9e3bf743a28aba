/** A line of an insert, without its newline. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

const NEWLINE = 0x0a;

/**
 * Finds, by halving, the lines that cannot be read. Answers null when there are more than `linesMax`: then it is not
 * the lines that are wrong.
 */
export async function findRefusedLines(
  body: Buffer,
  linesMax: number,
  canRead: (lines: Buffer) => Promise<boolean>,
): Promise<readonly LineRange[] | null> {
  const lines = linesOf(body);
  const refused: LineRange[] = [];
  const halves: { readonly from: number; readonly to: number }[] = [{ from: 0, to: lines.length }];
  for (let half = halves.pop(); half !== undefined; half = halves.pop()) {
    const { from, to } = half;
    const first = lines[from];
    const last = lines[to - 1];
    if (first === undefined || last === undefined) continue;
    if (await canRead(body.subarray(first.start, last.end))) continue;
    if (to - from === 1) {
      refused.push(first);
      if (refused.length > linesMax) return null;
      continue;
    }
    const middle = Math.floor((from + to) / 2);
    halves.push({ from: middle, to }, { from, to: middle });
  }
  return refused;
}

/** The body with each of these lines, which stand in its order, replaced. */
export function replaceLines(
  body: Buffer,
  ranges: readonly LineRange[],
  replacement: (line: Buffer) => string,
): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const { start, end } of ranges) {
    pieces.push(body.subarray(from, start), Buffer.from(replacement(body.subarray(start, end))));
    from = end;
  }
  return Buffer.concat([...pieces, body.subarray(from)]);
}

function linesOf(body: Buffer): readonly LineRange[] {
  const lines: LineRange[] = [];
  for (let start = 0; start < body.length;) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    if (end > start) lines.push({ start, end });
    start = end + 1;
  }
  return lines;
}
