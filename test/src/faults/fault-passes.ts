import type { RecordedRun } from './fault-record.ts';

/** What all recorded runs of one fault on one engine of the log say together. */
export interface FaultPasses {
  readonly name: string;
  readonly log: string;
  /** At the full load, or under a load of its own. */
  readonly passed: number;
  readonly passedAtLess: number;
  readonly failed: number;
  readonly events: number;
  /** The worst of those that passed. */
  readonly takeoverMs: number;
  readonly silentMs: number;
  readonly memory: string;
}

const HEADS = ['fault', 'log', 'passed', 'at less', 'failed', 'events', 'takeover s', 'silent s', 'nearest to its cap'];
const BEGIN = '<!-- faults:begin -->';
const END = '<!-- faults:end -->';

/** @param names the list, in its order: a fault without a run is there, too, with nothing to its credit. */
export function passesOf(
  runs: readonly RecordedRun[],
  { names, log, eventsPerSecond }: { names: readonly string[]; log: string; eventsPerSecond: number },
): readonly FaultPasses[] {
  return names.map((name) => {
    const own = runs.filter((run) => run.name === name && run.log === log);
    const passed = own.filter(({ verdict }) => verdict === 'passed');
    const full = passed.filter((run) => (run.eventsPerSecond ?? eventsPerSecond) >= eventsPerSecond);
    return {
      ...{ name, log, passed: full.length },
      passedAtLess: passed.length - full.length,
      failed: own.length - passed.length,
      events: passed.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
      takeoverMs: Math.max(0, ...passed.map(({ takeoverMs }) => takeoverMs)),
      silentMs: Math.max(0, ...passed.map(({ silentMs }) => silentMs)),
      memory: passed.map(({ memory }) => memory).toSorted((left, right) => shareOf(right) - shareOf(left))[0] ?? '',
    };
  });
}

/** In Markdown. */
export function passesTable(passes: readonly FaultPasses[]): string {
  const rows = passes.map((row) => [
    ...[row.name, row.log],
    ...[row.passed, row.passedAtLess, row.failed].map(String),
    row.events.toLocaleString('en'),
    ...[row.takeoverMs, row.silentMs].map((ms) => (ms / 1000).toFixed(1)),
    row.memory,
  ]);
  return [HEADS, HEADS.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Puts the table where the page wants it. */
export function withTable(page: string, table: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page has no place for the table: ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}

/** `gateway 293/600 MB` is about half. */
function shareOf(memory: string): number {
  const [, used, cap] = /(\d+)\/(\d+) MB/.exec(memory) ?? [];
  return used === undefined ? 0 : Number(used) / Number(cap);
}
