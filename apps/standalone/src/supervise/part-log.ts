import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';

const LOG_BYTES_MAX = 10 * 1024 * 1024;

/**
 * The log file of one part. When it reaches its size the older half is kept as `.1`, so a part never holds more than
 * twice the maximum. A full disk loses lines, never the part.
 */
export class PartLog {
  readonly path: string;
  readonly #bytesMax: number;
  #descriptor: number | undefined;
  #bytes = 0;

  constructor(path: string, bytesMax = LOG_BYTES_MAX) {
    this.path = path;
    this.#bytesMax = bytesMax;
  }

  write(line: string): void {
    try {
      this.#descriptor ??= this.#open();
      this.#bytes += writeSync(this.#descriptor, `${line}\n`);
      if (this.#bytes >= this.#bytesMax) this.#rotate();
    } catch {
      // Logging must not end what it watches; the next line tries again.
      this.close();
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    const descriptor = openSync(this.path, 'a', 0o600);
    this.#bytes = statSync(this.path).size;
    return descriptor;
  }

  #rotate(): void {
    this.close();
    renameSync(this.path, `${this.path}.1`);
  }
}
