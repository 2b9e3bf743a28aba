import { styleText } from 'node:util';

import type { PartPorts } from './part.ts';

const NAME_WIDTH = 20;
const WARNINGS_PER_WINDOW = 10;
const WINDOW_MS = 10_000;

/** Everything that `npm start` prints. Warnings of a part are limited: the whole of them is in its log file. */
export class ConsoleReport {
  readonly #write: (text: string) => void;
  readonly #warnings = new Map<string, { since: number; count: number }>();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  line(text: string): void {
    this.#write(`${text}\n`);
  }

  ready(name: string, ports: PartPorts, tookMs: number): void {
    const where = Object.entries(ports)
      .map(([port, number]) => `${port} ${number}`)
      .join(', ');
    const seconds = `${(tookMs / 1000).toFixed(1)} s`;
    this.line(`  ${styleText('green', '✓')} ${name.padEnd(NAME_WIDTH)} ${where.padEnd(44)} ${seconds.padStart(8)}`);
  }

  notice(name: string, text: string): void {
    this.line(`${styleText('yellow', name)}: ${text}`);
  }

  warning(name: string, text: string, logFile: string): void {
    const now = performance.now();
    let window = this.#warnings.get(name);
    if (window === undefined || now - window.since > WINDOW_MS) {
      window = { since: now, count: 0 };
      this.#warnings.set(name, window);
    }
    window.count += 1;
    if (window.count <= WARNINGS_PER_WINDOW) this.notice(name, text);
    if (window.count === WARNINGS_PER_WINDOW) this.notice(name, `more of this only in ${logFile}`);
  }
}
