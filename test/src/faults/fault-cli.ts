import { parseArgs } from 'node:util';

import { FAULT_CATALOGUE } from './catalogue/index.ts';
import type { FaultCase, FaultResult } from './fault-case.ts';
import { faultLog, isForOtherLogs } from './fault-log.ts';
import { faultTable } from './fault-table.ts';
import { FaultRunner } from './run-faults.ts';
import { runSuite, SUITE_NAMES } from './suite-faults.ts';

/**
 * `npm run test:faults`: every fault under load, then those of commands and of Temporal, with a table at the end.
 * `-- --list` names them, `-- --only NAME` (may be repeated) and `-- --shard 1/3` choose some.
 */
/** A machine that does much else may be given less. */
const EVENTS_PER_SECOND = Number(process.env['FAULT_EVENTS_PER_SECOND'] ?? 5_000);

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    shard: { type: 'string' },
    list: { type: 'boolean' },
  },
});

const chosen = choose([...FAULT_CATALOGUE.map(({ name }) => name), ...SUITE_NAMES]);
if (values.list === true) {
  for (const { name, title, lines } of FAULT_CATALOGUE)
    say(`${name.padEnd(32)} ${lines.join(' ').padEnd(10)} ${title}`);
  for (const name of SUITE_NAMES) say(`${name.padEnd(32)} ${''.padEnd(10)} test/faults/${name}.fault.ts, whole`);
} else {
  const results = await run(chosen);
  say(`\n${faultTable(results)}\n`);
  const failed = results.filter(({ verdict }) => verdict === 'failed');
  const inCi = process.env['CI'] === 'true' || process.env['CI'] === '1';
  const notRun = results.filter(({ verdict }) => verdict === 'not run');
  say(`${results.length - failed.length - notRun.length} passed, ${failed.length} failed, ${notRun.length} not run`);
  // A fault of another log is none that this machine could not bring.
  const others = FAULT_CATALOGUE.filter((fault) => isForOtherLogs(fault) !== null).map(({ name }) => name);
  const lacking = notRun.filter(({ name }) => !others.includes(name));
  // What a fault that failed left open must not keep whoever waits for the table.
  process.exit(failed.length + (inCi ? lacking.length : 0) === 0 ? 0 : 1);
}

async function run(names: readonly string[]): Promise<readonly FaultResult[]> {
  const faults = FAULT_CATALOGUE.filter(({ name }) => names.includes(name));
  say(`${names.length} faults, the load is ${EVENTS_PER_SECOND} events/s, the log is ${faultLog()}`);
  const runner = new FaultRunner({ judgesTimes: true, eventsPerSecond: EVENTS_PER_SECOND });
  const results: FaultResult[] = [];
  for (const fault of faults) {
    const result = await runner.run(fault);
    tell(result, faults);
    results.push(result);
  }
  await runner.stop();
  for (const name of SUITE_NAMES.filter((suite) => names.includes(suite))) {
    const result = await runSuite(name);
    tell(result, faults);
    results.push(result);
  }
  return results;
}

function tell(result: FaultResult, faults: readonly FaultCase[]): void {
  const title = faults.find(({ name }) => name === result.name)?.title ?? '';
  say(`${result.verdict.padEnd(8)} ${result.name} (${title}): ${result.acknowledged} events, ${result.seconds} s`);
  for (const line of [...result.notes, ...result.problems]) say(`           ${line}`);
}

function choose(names: readonly string[]): readonly string[] {
  const unknown = (values.only ?? []).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`there is no fault ${unknown.join(', ')}: see -- --list`);
  const wanted = values.only === undefined ? names : names.filter((name) => values.only?.includes(name));
  if (values.shard === undefined) return wanted;
  const match = /^(\d+)\/(\d+)$/.exec(values.shard);
  const [number, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || number < 1 || number > count) throw new Error(`--shard needs i/n with 1 <= i <= n`);
  // Neighbours share a platform, so each shard is one stretch of the list.
  const bounds = [number - 1, number].map((part) => Math.round((part * wanted.length) / count));
  return wanted.slice(bounds[0], bounds[1]);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
