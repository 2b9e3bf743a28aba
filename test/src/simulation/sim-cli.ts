import { parseArgs } from 'node:util';

import { scaleTable } from './scale/scale-table.ts';
import { ScaleRun } from './scale/scale-run.ts';
import { simulate } from './simulator.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    commands: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    partitions: { type: 'string', default: '1000' },
    workers: { type: 'string', default: '64' },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

process.exitCode = (await (values.scale ? runScale() : runSeeds())) === 0 ? 0 : 1;

/** Answers how many seeds failed. */
async function runSeeds(): Promise<number> {
  const first = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  let failed = 0;
  for (let seed = first; seed < first + count; seed++) {
    say(`seed ${seed}`);
    const result = await simulate({ seed, commands: values.commands, ...(values.trace ? { onTrace: say } : {}) });
    const { acknowledged, virtualMs, traceHash, violations } = result;
    const verdict = violations.length === 0 ? 'all promises kept' : `${violations.length} BROKEN`;
    for (const violation of violations) say(`  ${violation}`);
    say(`seed ${seed}: ${verdict}; ${acknowledged} acknowledged, ${virtualMs} virtual ms, trace ${traceHash}`);
    if (violations.length > 0) failed++;
  }
  say(`${count - failed} passed, ${failed} failed`);
  return failed;
}

/** Many workers and partitions, without faults. Answers how many promises were broken. */
async function runScale(): Promise<number> {
  const options = {
    seed: Number(values.seed ?? '1'),
    partitions: Number(values.partitions),
    workers: Number(values.workers),
  };
  say(`seed ${options.seed}: ${options.partitions} partitions, ${options.workers} workers`);
  const result = await new ScaleRun({ ...options, onStep: ({ name }) => say(`  ${name}`) }).run();
  say(`\n${scaleTable(result)}\n`);
  for (const violation of result.violations) say(`  ${violation}`);
  const { records, virtualMs, violations } = result;
  const verdict = violations.length === 0 ? 'all promises kept' : `${violations.length} BROKEN`;
  say(`seed ${options.seed}: ${verdict}; ${records} records, ${Math.round(virtualMs)} virtual ms`);
  return violations.length;
}
