import type { RestCalls, ScaleResult, ScaleStep } from './scale-run.ts';

const HEADS = ['step', 'workers', 'settled s', 'moved', 'least', 'pause p50', 'p99', 'worst ms', 'shares', 'calls/s'];
const SECOND_MS = 1_000;

/** What a run of many workers showed, in Markdown, so that it can be kept. */
export function scaleTable({ steps, rest }: ScaleResult): string {
  const rows = steps.map((step) => [
    step.name,
    `${step.workersBefore} → ${step.workersAfter}`,
    (step.settledMs / SECOND_MS).toFixed(1),
    ...[step.moved, step.movedLeast].map(String),
    ...pausesOf(step),
    `${step.shareLeast}-${step.shareMost}`,
    String(Math.round(step.callsPerSecond)),
  ]);
  return `${table(HEADS, rows)}\n\n${table(['at rest', 'calls/s', 'partitions or items/s'], rest.map(restRow))}`;
}

function pausesOf({ pausesMs }: ScaleStep): readonly string[] {
  if (pausesMs.length === 0) return ['-', '-', '-'];
  const sorted = [...pausesMs].sort((left, right) => left - right);
  const at = (share: number): string => String(Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0));
  return [at(0.5), at(0.99), at(1)];
}

function restRow({ name, calls, items }: RestCalls): readonly string[] {
  return [name, calls.toFixed(0), items.toFixed(0)];
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
