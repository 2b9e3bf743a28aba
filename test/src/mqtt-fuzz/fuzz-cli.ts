import { parseArgs } from 'node:util';

import { HANG_MS, runFuzz } from './run-fuzz.ts';

/** `npm run mqtt:fuzz -- [--seed S] [--packets N] [--first CASE]`: attacks on the MQTT engine, in this process. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    packets: { type: 'string', default: '100000' },
    first: { type: 'string', default: '0' },
  },
});
const [seed, packets, firstCase] = [Number(values.seed), Number(values.packets), Number(values.first)];
const startedAt = performance.now();
const { summary, complaint } = await runFuzz({ seed, packets, firstCase, bug: null, hangMs: HANG_MS });
if (summary !== null) {
  const seconds = (performance.now() - startedAt) / 1000;
  const grown = (summary.heapGrowthBytes / 1024).toFixed(0);
  process.stdout.write(`seed ${seed}: ${summary.packets} packets in ${summary.cases} connections, `);
  process.stdout.write(`${seconds.toFixed(0)} s, heap ${grown} KiB more\n`);
}
if (complaint !== null) process.stdout.write(`${complaint}\n`);
process.exit(complaint === null ? 0 : 1);
