import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { FAULT_CATALOGUE } from './catalogue/index.ts';
import { chooseFaults } from './choose-faults.ts';
import type { FaultCase, FaultResult } from './fault-case.ts';
import { faultLog, isForOtherLogs } from './fault-log.ts';
import { type FaultPasses, passesOf, passesTable, withTable } from './fault-passes.ts';
import { appendRun, readRuns, type RecordedRun } from './fault-record.ts';
import { faultTable } from './fault-table.ts';
import { FaultRunner } from './run-faults.ts';
import { runSuite, SUITE_NAMES, SUITE_SECONDS } from './suite-faults.ts';

/**
 * `npm run test:faults`: every fault under load, then those of commands and of Temporal, with a table at the end.
 * `-- --list` names them, `-- --only NAME` (may be repeated) and `-- --shard 1/3` choose some. `--append FILE` keeps
 * each run in a file, and `--passes FILE` shows what all runs in it say together.
 */
const FULL_EVENTS_PER_SECOND = 5_000;
/** A machine that does much else may be given less. */
const EVENTS_PER_SECOND = Number(process.env['FAULT_EVENTS_PER_SECOND'] ?? FULL_EVENTS_PER_SECOND);
const LOG = faultLog();
/** Of each fault, beside its load: registering and connecting devices, settling, and checks. */
const AROUND_LOAD_SECONDS = 8;
const PASSES_WANTED = '3';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    shard: { type: 'string' },
    list: { type: 'boolean' },
    append: { type: 'string' },
    passes: { type: 'string' },
    times: { type: 'string', default: PASSES_WANTED },
    page: { type: 'string' },
  },
});

const list = [
  ...FAULT_CATALOGUE.map((fault) => {
    const { name, loadSeconds } = fault;
    return { name, seconds: isForOtherLogs(fault) === null ? loadSeconds + AROUND_LOAD_SECONDS : 0 };
  }),
  ...SUITE_NAMES.map((name) => ({ name, seconds: SUITE_SECONDS })),
];
const chosen = chooseFaults(list, values);
if (values.list === true) {
  for (const { name, title, lines } of FAULT_CATALOGUE)
    say(`${name.padEnd(32)} ${lines.join(' ').padEnd(10)} ${title}`);
  for (const name of SUITE_NAMES) say(`${name.padEnd(32)} ${''.padEnd(10)} test/faults/${name}.fault.ts, whole`);
} else if (values.passes !== undefined) {
  process.exitCode = showPasses(values.passes) ? 0 : 1;
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
  say(`${names.length} faults, the load is ${EVENTS_PER_SECOND} events/s, the log is ${LOG}`);
  const runner = new FaultRunner({ judgesTimes: true, eventsPerSecond: EVENTS_PER_SECOND });
  const results: FaultResult[] = [];
  const keep = (result: FaultResult, eventsPerSecond: number | null): void => {
    tell(result, faults);
    results.push(result);
    if (values.append !== undefined) appendRun(values.append, result, { log: LOG, eventsPerSecond });
  };
  for (const fault of faults) keep(await runner.run(fault), EVENTS_PER_SECOND);
  await runner.stop();
  for (const name of SUITE_NAMES.filter((suite) => names.includes(suite))) keep(await runSuite(name), null);
  return results;
}

/** Whether each chosen fault that this log can have has passed as often as wanted, in whatever runs. */
function showPasses(path: string): boolean {
  const runs = readRuns(path);
  const times = Number(values.times);
  // A fault of another log takes no time here.
  const own = list.filter(({ seconds }) => seconds > 0).map(({ name }) => name);
  const all = passesOf(runs, { names: own, log: LOG, eventsPerSecond: FULL_EVENTS_PER_SECOND });
  if (values.page !== undefined) writePage(values.page, [...all, ...passesOnOtherLogs(runs)]);
  const passes = all.filter(({ name }) => chosen.includes(name));
  say(passesTable(passes));
  const short = passes.filter(({ passed }) => passed < times);
  say(`\n${passes.length - short.length} of ${passes.length} passed ${times} times, the load was full`);
  if (short.length > 0) say(`not yet: ${short.map(({ name, passed }) => `${name} ${passed}`).join(', ')}`);
  return short.length === 0;
}

/** What was run on them: a fault without a run there is not missed here. */
function passesOnOtherLogs(runs: readonly RecordedRun[]): readonly FaultPasses[] {
  const logs = [...new Set(runs.map(({ log }) => log))].filter((log) => log !== LOG);
  return logs.flatMap((log) => {
    const names = [...new Set(runs.filter((run) => run.log === log).map(({ name }) => name))];
    return passesOf(runs, { names, log, eventsPerSecond: FULL_EVENTS_PER_SECOND });
  });
}

function writePage(path: string, passes: readonly FaultPasses[]): void {
  writeFileSync(path, withTable(readFileSync(path, 'utf8'), passesTable(passes)));
}

function tell(result: FaultResult, faults: readonly FaultCase[]): void {
  const title = faults.find(({ name }) => name === result.name)?.title ?? '';
  say(`${result.verdict.padEnd(8)} ${result.name} (${title}): ${result.acknowledged} events, ${result.seconds} s`);
  for (const line of [...result.notes, ...result.problems]) say(`           ${line}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
