const BLOCK_BYTES_MIN = 1_024;
const BLOCK_BYTES_MAX = 65_536;
const NEWLINE = 0x0a;

/** Where a line stands. Behind it stands a newline. */
export interface StoredLine {
  readonly block: Buffer;
  readonly start: number;
  readonly bytes: number;
}

/**
 * The lines that wait for one lane of one partition, one behind the other in blocks outside of the heap: tens of
 * thousands of texts would be copied by every collection of garbage. A block is gone with the last line in it.
 */
export class LineArena {
  #block: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @param bytes what the line has in UTF-8. It is copied. */
  store(line: string | Uint8Array, bytes: number): Pick<StoredLine, 'block' | 'start'> {
    if (this.#length + bytes + 1 > this.#block.length) this.#open(bytes + 1);
    const block = this.#block;
    const start = this.#length;
    if (typeof line === 'string') block.write(line, start);
    else block.set(line, start);
    block[start + bytes] = NEWLINE;
    this.#length = start + bytes + 1;
    return { block, start };
  }

  #open(bytes: number): void {
    const size = Math.min(Math.max(2 * this.#block.length, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX);
    this.#block = Buffer.allocUnsafeSlow(Math.max(size, bytes));
    this.#length = 0;
  }
}

/** Lines with a newline between each two. Those that stand together already, as they mostly do, are not copied. */
export function joinLines(lines: readonly StoredLine[]): Buffer {
  const runs = runsOf(lines);
  return runs.length === 1 ? (runs[0] as Buffer).subarray(0, -1) : Buffer.concat(runs).subarray(0, -1);
}

/** Each with its last newline. */
function runsOf(lines: readonly StoredLine[]): Buffer[] {
  const runs: Buffer[] = [];
  let block: Buffer | null = null;
  let start = 0;
  let end = 0;
  for (const line of lines) {
    if (line.block !== block || line.start !== end) {
      if (block !== null) runs.push(block.subarray(start, end));
      block = line.block;
      start = line.start;
    }
    end = line.start + line.bytes + 1;
  }
  if (block !== null) runs.push(block.subarray(start, end));
  return runs;
}
