/** One command as an append-only file of Redis holds it. */
export type RedisCommand = readonly Buffer[];

const ARRAY = '*'.charCodeAt(0);
const LENGTH = '$'.charCodeAt(0);
const COMMENT = '#'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);
const LINE_END_BYTES = 2;

/**
 * The commands that are complete in these bytes, and how many bytes they take. What follows is the beginning of a
 * command of which the rest is not there yet, or was lost with the machine.
 *
 * @throws when the bytes are none of such a file.
 */
export function readCommands(bytes: Buffer): { readonly commands: readonly RedisCommand[]; readonly taken: number } {
  const commands: RedisCommand[] = [];
  let taken = 0;
  while (taken < bytes.length) {
    // Redis writes the time between commands when it is told to.
    if (bytes[taken] === COMMENT) {
      const end = bytes.indexOf('\r\n', taken);
      if (end < 0) break;
      taken = end + LINE_END_BYTES;
      continue;
    }
    const command = readCommand(bytes, taken);
    if (command === null) break;
    commands.push(command.words);
    taken = command.end;
  }
  return { commands, taken };
}

function readCommand(bytes: Buffer, start: number): { readonly words: RedisCommand; readonly end: number } | null {
  const count = readNumber(bytes, start, ARRAY);
  if (count === null) return null;
  const words: Buffer[] = [];
  let at = count.end;
  for (let index = 0; index < count.value; index++) {
    const length = readNumber(bytes, at, LENGTH);
    if (length === null) return null;
    const end = length.end + length.value;
    if (end + LINE_END_BYTES > bytes.length) return null;
    words.push(bytes.subarray(length.end, end));
    at = end + LINE_END_BYTES;
  }
  return { words, end: at };
}

function readNumber(
  bytes: Buffer,
  start: number,
  mark: number,
): { readonly value: number; readonly end: number } | null {
  if (start >= bytes.length) return null;
  if (bytes[start] !== mark) throw new Error(`no command starts at byte ${start}`);
  let value = 0;
  for (let at = start + 1; at + 1 < bytes.length; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return { value, end: at + LINE_END_BYTES };
    value = value * 10 + digit;
  }
  return null;
}
