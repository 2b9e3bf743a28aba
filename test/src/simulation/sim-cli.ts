import { parseArgs } from 'node:util';

import { simulate } from './simulator.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    commands: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

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
process.exitCode = failed === 0 ? 0 : 1;
