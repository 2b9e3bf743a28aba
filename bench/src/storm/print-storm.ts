import pc from 'picocolors';

import { type Figure, figuresOf } from './musts.ts';
import type { Costs } from './parts/process-costs.ts';
import type { StormResult } from './storm-result.ts';

const MARKS = { aim: pc.green('reached'), must: pc.yellow('must, not aim'), missed: pc.red('MISSED') } as const;
const COLUMNS = { name: 44, value: 14, wanted: 12 } as const;

/** The tables of a storm, in the words of docs/performance.md. */
export function printStorm(result: StormResult, say: (text: string) => void): void {
  const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
  say(`\n${result.date}, ${result.hardware}, ${result.system}, ${versions.join(', ')}`);
  say(row('figure', ['measured', 'must', 'aim'], ''));
  for (const figure of figuresOf(result)) say(figureRow(figure));
  for (const sustained of result.sustained ?? []) {
    const { perSecond, devices, pubackMs, twinMs, rowMs } = sustained;
    say(
      `\n${perSecond}/s from ${devices} devices: PUBACK p50/p99 ${pair(pubackMs)}, device → twin ${pair(twinMs)}, ` +
        `device → row ${pair(rowMs)}`,
    );
    printCosts(sustained, say);
  }
  const { spike, overload } = result;
  if (spike !== null) {
    say(`\nspike, ${spike.acknowledged} events acknowledged`);
    printCosts(spike, say);
  }
  if (overload !== null) {
    say(
      `\noverload, ${overload.order.offeredPerSecond}/s offered for ${overload.order.seconds} s: ` +
        `${overload.acknowledgedPerSecond}/s acknowledged meanwhile, ${overload.acknowledged} in all and all stored; ` +
        `${overload.heldBack} waited in the devices at the end; zero lag after ${overload.drainSeconds.toFixed(1)} s`,
    );
    printCosts(overload, say);
  }
  for (const example of examplesOf(result)) say(`  ${example}`);
  say('');
  if (result.broken.length === 0) say(pc.green('every promise was kept'));
  for (const broken of result.broken) say(pc.red(`BROKEN  ${broken}`));
}

function printCosts(costs: Costs, say: (text: string) => void): void {
  say(row('process', ['CPU s/million', 'peak MiB', 'cap MiB'], ''));
  for (const { name, cpuSecondsPerMillion, peakMib, capMib } of costs.processes) {
    say(row(name, [cpuSecondsPerMillion.toFixed(1), String(peakMib), String(capMib ?? '')], ''));
  }
  say(row('sum without the load generator', [costs.cpuSecondsPerMillion.toFixed(1), '', ''], ''));
}

function figureRow({ name, text, must, aim, verdict }: Figure): string {
  return row(name, [text, must, aim], MARKS[verdict]);
}

function row(name: string, [value, must, aim]: readonly [string, string, string], mark: string): string {
  return (
    `  ${name.padEnd(COLUMNS.name)}${value.padStart(COLUMNS.value)}${must.padStart(COLUMNS.wanted)}` +
    `${aim.padStart(COLUMNS.wanted)}  ${mark}`.trimEnd()
  );
}

function examplesOf({ sustained, spike, overload }: StormResult): readonly string[] {
  const afters = [...(sustained ?? []), spike, overload].map((part) => part?.after);
  return afters.flatMap((after) => [...(after?.rows.examples ?? []), ...(after?.twins.examples ?? [])]);
}

function pair({ p50, p99 }: { readonly p50: number; readonly p99: number }): string {
  return `${p50.toFixed(0)}/${p99.toFixed(0)} ms`;
}
