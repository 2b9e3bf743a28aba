import Table from 'cli-table3';
import pc from 'picocolors';

/** What a command writes to. Everything for people goes through here, so that a test can read it. */
export interface Terminal {
  line(text?: string): void;
  json(value: unknown): void;
}

export const terminal: Terminal = {
  line: (text = '') => void process.stdout.write(`${text}\n`),
  json: (value) => void process.stdout.write(`${JSON.stringify(value, null, 2)}\n`),
};

/** A table with numbers to the right. */
export function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const isNumber = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  const table = new Table({
    head: head.map((text) => pc.bold(text)),
    colAligns: isNumber.map((right) => (right ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)));
  return table.toString();
}

export const good = (text: string): string => pc.green(text);
export const bad = (text: string): string => pc.red(text);
export const dim = (text: string): string => pc.dim(text);
