import { writeFile } from 'node:fs/promises';

import { type MachineFacts, machineFacts } from './machine-facts.ts';
import { measureOverload } from './parts/measure-overload.ts';
import { measureSpike } from './parts/measure-spike.ts';
import { measureSustained, type Sustained } from './parts/measure-sustained.ts';
import { StormPlatform } from './platform/storm-platform.ts';
import { printStorm } from './print-storm.ts';
import { readStormOptions, type StormOptions, type StormPart } from './storm-options.ts';
import { stormResult, type StormMeasurements, type StormResult } from './storm-result.ts';

/** The search for the sustained rate begins with what is asked for. */
const SEARCH = { first: 30_000, step: 5_000, probeSeconds: 20 } as const;
const QUIET = { perSecond: 200, seconds: 5 } as const;

type Measure = (options: StormOptions) => Promise<StormMeasurements>;

const PARTS: Readonly<Record<StormPart, Measure>> = {
  sustained: async ({ devices, rate, seconds }) => {
    const sustained: Sustained[] = [];
    for (const count of devices) {
      const order = { ...SEARCH, devices: count, seconds, first: rate ?? SEARCH.first, isRateFixed: rate !== null };
      sustained.push(await measureSustained(order, say));
    }
    return { sustained };
  },
  spike: async ({ devices, spikeRate, spikeSeconds }) => ({
    spike: await measureSpike({
      devices: devices[0] ?? 1,
      quietPerSecond: QUIET.perSecond,
      quietSeconds: QUIET.seconds,
      spikePerSecond: spikeRate,
      spikeSeconds,
    }),
  }),
  overload: async ({ devices, overloadRate, overloadSeconds }) => ({
    overload: await measureOverload({
      devices: devices[0] ?? 1,
      offeredPerSecond: overloadRate,
      seconds: overloadSeconds,
    }),
  }),
};

/** `npm run bench -- storm`: the storm that Breakwater is for. Each part has a fresh platform with default settings. */
export async function runStormBenchmark(argv: readonly string[]): Promise<StormResult> {
  const options = readStormOptions(argv);
  const facts = await factsOfAPlatform();
  let measured: StormMeasurements = {};
  for (const part of options.parts) {
    say(`${new Date().toISOString().slice(11, 19)} ${part}`);
    measured = { ...measured, ...(await PARTS[part](options)) };
  }
  const result = stormResult({ facts, options, date: new Date().toISOString() }, measured);
  printStorm(result, say);
  if (options.json !== '') await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (result.broken.length > 0) process.exitCode = 1;
  return result;
}

async function factsOfAPlatform(): Promise<MachineFacts> {
  const platform = await StormPlatform.start();
  try {
    return await machineFacts(platform);
  } finally {
    await platform.stop();
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
