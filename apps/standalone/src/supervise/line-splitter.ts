const LINE_LENGTH_MAX = 64 * 1024;

/** Cuts a stream of text into lines. A line without end is cut at the maximum, so that it cannot grow without bound. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.#onLine(line);
    if (this.#rest.length < LINE_LENGTH_MAX) return;
    this.#onLine(this.#rest);
    this.#rest = '';
  }

  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }
}
