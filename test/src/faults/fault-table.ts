import type { FaultResult } from './fault-case.ts';

const HEAD = ['fault', 'verdict', 'acknowledged', 'lost', 'twice', 'twins wrong', 'takeover s', 'silent s'];
const TAIL = ['peak memory', 'operations', 'took s', 'notes'];

/** The table at the end of a run, in Markdown, so that it can be kept. */
export function faultTable(results: readonly FaultResult[]): string {
  const rows = results.map((result) => [
    result.name,
    result.verdict,
    ...[result.acknowledged, result.lost, result.twice, result.twinsWrong].map(String),
    ...[result.takeoverMs, result.silentMs].map((ms) => (ms / 1000).toFixed(1)),
    result.memory,
    String(result.operations),
    String(result.seconds),
    [...result.notes, ...result.problems].join('; '),
  ]);
  const heads = [...HEAD, ...TAIL];
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)));
  const last = heads.length - 1;
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) => (column === last ? cell : cell.padEnd(widths[column] ?? 0)));
    return `| ${padded.join(' | ')} |`;
  };
  const rule = heads.map((head, column) => '-'.repeat(column === last ? head.length : (widths[column] ?? 0)));
  return [line(heads), line(rule), ...rows.map(line)].join('\n');
}

/** What is shown of a fault without figures, or one that did not run to its end. */
export function withoutFigures(name: string, verdict: FaultResult['verdict'], reason = ''): FaultResult {
  return {
    name,
    verdict,
    acknowledged: 0,
    lost: 0,
    twice: 0,
    twinsWrong: 0,
    takeoverMs: 0,
    silentMs: 0,
    memory: '',
    operations: 0,
    seconds: 0,
    notes: verdict === 'not run' ? [reason] : [],
    problems: verdict === 'failed' ? [reason] : [],
  };
}
