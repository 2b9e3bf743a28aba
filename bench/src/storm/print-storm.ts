import pc from 'picocolors';

import type { MachineFacts } from './machine-facts.ts';
import { type Figure, figuresOf } from './musts.ts';
import type { Costs } from './parts/process-costs.ts';
import { aftermathsOf, type StormResult } from './storm-result.ts';

const MARKS = { aim: pc.green('reached'), must: pc.yellow('must, not aim'), missed: pc.red('MISSED') } as const;
const COLUMNS = { name: 44, value: 14, wanted: 12 } as const;

/** The tables of a storm, in the words of docs/performance.md. */
export function printStorm(result: StormResult, say: (text: string) => void): void {
  printFacts(result, say);
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
  printFleet(result, say);
  for (const example of examplesOf(result)) say(`  ${example}`);
  say('');
  if (result.broken.length === 0) say(pc.green('every promise was kept'));
  for (const broken of result.broken) say(pc.red(`BROKEN  ${broken}`));
}

export function printFacts(
  { date, hardware, system, versions }: MachineFacts & { readonly date: string },
  say: (text: string) => void,
): void {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  say(`\n${date}, ${hardware}, ${system}, ${named.join(', ')}`);
}

function printFleet({ memory, devices, reconnect, blackout }: StormResult, say: (text: string) => void): void {
  if (memory !== null) {
    say(
      `\nmemory by twin: ${memory.warmTwinBytes.toFixed(0)} B of heap in a worker, ` +
        `${memory.warmTwinResidentBytes.toFixed(0)} B resident; ${memory.coldTwinBytes.toFixed(0)} B in Redis, ` +
        `${memory.redisBytesPerDevice.toFixed(0)} B with registry, sessions and changes`,
    );
  }
  for (const speed of devices === null ? [] : [devices.small, devices.large]) {
    say(`\n${speed.devices} devices: ${speed.perSecond}/s of ${devices?.order.eventsPerSecond ?? 0}/s offered`);
    printCosts(speed, say);
  }
  if (reconnect !== null) {
    const { order, back, allBackSeconds, connectsFailed, watched, shownTooOften } = reconnect;
    say(
      `\nreconnect: ${back} of ${order.devices} back after ${allBackSeconds.toFixed(1)} s, ${connectsFailed} tries failed; ` +
        `of ${watched} live streams ${shownTooOften} showed a device as disconnected more than once`,
    );
    printCosts(reconnect, say);
  }
  if (blackout !== null) {
    const { order, patches, patchMs, commands, commandMs, backlogEvents, recoverySeconds } = blackout;
    const command = commandMs === null ? 'not measured, there is no Temporal' : pair(commandMs);
    say(
      `\nClickHouse away for ${order.seconds} s at ${order.eventsPerSecond}/s: PATCH p50/p99 ${pair(patchMs)} of ${patches}, ` +
        `commands ${command} of ${commands}; ${backlogEvents} events waited, zero lag ${recoverySeconds.toFixed(1)} s later`,
    );
  }
}

/** CPU and memory by process. */
export function printCosts(costs: Costs, say: (text: string) => void): void {
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

function examplesOf(result: StormResult): readonly string[] {
  return aftermathsOf(result).flatMap(([, { rows, twins }]) => [...rows.examples, ...twins.examples]);
}

function pair({ p50, p99 }: { readonly p50: number; readonly p99: number }): string {
  return `${p50.toFixed(0)}/${p99.toFixed(0)} ms`;
}
