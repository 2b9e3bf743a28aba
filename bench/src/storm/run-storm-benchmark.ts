import { writeFile } from 'node:fs/promises';

import { type MachineFacts, machineFacts } from './machine-facts.ts';
import { measureBlackout } from './parts/measure-blackout.ts';
import { measureFleet } from './parts/measure-fleet.ts';
import { measureOverload } from './parts/measure-overload.ts';
import { measureReconnect } from './parts/measure-reconnect.ts';
import { measureSpike } from './parts/measure-spike.ts';
import { measureSustained, type Sustained } from './parts/measure-sustained.ts';
import { StormPlatform } from './platform/storm-platform.ts';
import { printStorm } from './print-storm.ts';
import { readStormOptions, type StormOptions, type StormPart } from './storm-options.ts';
import { stormResult, type StormMeasurements, type StormResult } from './storm-result.ts';

/** The search for the sustained rate begins with what is asked for. */
const SEARCH = { first: 30_000, step: 5_000, probeSeconds: 20 } as const;
const LEAD_SECONDS = 5;
const SMALL_FLEET = 1_000;
/** Offered to each group of connections: more than is asked of the platform. */
const FLEET_LOAD = { eventsPerSecond: 40_000, seconds: 5 } as const;
const RECONNECT = { withinSeconds: 10, eventsPerSecond: 5_000, leadSeconds: LEAD_SECONDS } as const;
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
  memory: fleet,
  devices: fleet,
  reconnect: async ({ reconnectDevices }) => ({
    reconnect: await measureReconnect({ ...RECONNECT, devices: reconnectDevices }),
  }),
  blackout: async ({ devices, spikeRate, blackoutSeconds }) => ({
    blackout: await measureBlackout({
      devices: devices[0] ?? 1,
      eventsPerSecond: spikeRate,
      seconds: blackoutSeconds,
      leadSeconds: LEAD_SECONDS,
    }),
  }),
};

/** Memory and speed of a fleet come from one run: to register so many devices takes minutes. */
function fleet({ fleetDevices, fleetConnections }: StormOptions): Promise<StormMeasurements> {
  const sizes = { small: SMALL_FLEET, large: fleetDevices };
  return measureFleet(sizes, { ...FLEET_LOAD, connectionsMax: fleetConnections });
}

/** `npm run bench -- storm`: the storm that Breakwater is for. Each part has a fresh platform with default settings. */
export async function runStormBenchmark(argv: readonly string[]): Promise<StormResult> {
  const { json, ...options } = readStormOptions(argv);
  const facts = await factsOfAPlatform();
  let measured: StormMeasurements = {};
  for (const part of options.parts) {
    if (part === 'devices' && measured.devices !== undefined) continue;
    say(`${new Date().toISOString().slice(11, 19)} ${part}`);
    measured = { ...measured, ...(await PARTS[part](options)) };
  }
  const result = stormResult({ facts, options, date: new Date().toISOString() }, measured);
  printStorm(result, say);
  if (json !== '') await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
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
