const NEWLINE = 0x0a;

/** Where a line ends that starts at `start`: at its newline, or with the frame. */
export function lineEnd(body: Buffer, start: number): number {
  const newline = body.indexOf(NEWLINE, start);
  return newline === -1 ? body.length : newline;
}

/** Where the line of that index starts. Most reads begin with a frame's first. */
export function lineStart(body: Buffer, index: number): number {
  let start = 0;
  for (let line = 0; line < index; line += 1) start = lineEnd(body, start) + 1;
  return start;
}

/** Whether `text` stands in `body` at `start`. A loop: for some tens of bytes a call into native code costs more. */
export function standsAt(body: Buffer, start: number, text: Buffer): boolean {
  if (start < 0 || start + text.length > body.length) return false;
  for (let at = 0; at < text.length; at += 1) if (body[start + at] !== text[at]) return false;
  return true;
}
