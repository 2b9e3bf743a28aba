import { type Aftermath, brokenPromises } from './checks/broken-promises.ts';
import type { MachineFacts } from './machine-facts.ts';
import type { Blackout } from './parts/measure-blackout.ts';
import type { Devices, Memory } from './parts/measure-fleet.ts';
import type { Overload } from './parts/measure-overload.ts';
import type { Reconnect } from './parts/measure-reconnect.ts';
import type { Spike } from './parts/measure-spike.ts';
import type { Sustained } from './parts/measure-sustained.ts';
import type { StormOptions } from './storm-options.ts';

/** What the parts measured; a part that was left out is absent. */
export interface StormMeasurements {
  readonly sustained?: readonly Sustained[];
  readonly spike?: Spike;
  readonly overload?: Overload;
  readonly memory?: Memory;
  readonly devices?: Devices;
  readonly reconnect?: Reconnect;
  readonly blackout?: Blackout;
}

/** The result as `--json` keeps it. */
export interface StormResult extends MachineFacts {
  readonly date: string;
  readonly options: StormOptions;
  /** From the first number of devices (500); null when it was not measured. */
  readonly sustainedPerSecond: number | null;
  /** At that load: all processes and stores, without the load generator. */
  readonly cpuSecondsPerMillion: number | null;
  readonly sustained: readonly Sustained[] | null;
  readonly spike: Spike | null;
  readonly overload: Overload | null;
  readonly memory: Memory | null;
  readonly devices: Devices | null;
  readonly reconnect: Reconnect | null;
  readonly blackout: Blackout | null;
  /** Promises that were not kept; any of them is a failure. */
  readonly broken: readonly string[];
}

export function stormResult(
  run: { readonly facts: MachineFacts; readonly options: StormOptions; readonly date: string },
  measured: StormMeasurements,
): StormResult {
  const { sustained = null, spike = null, overload = null } = measured;
  const { memory = null, devices = null, reconnect = null, blackout = null } = measured;
  return {
    date: run.date,
    ...run.facts,
    options: run.options,
    sustainedPerSecond: sustained?.[0]?.perSecond ?? null,
    cpuSecondsPerMillion: sustained?.[0]?.cpuSecondsPerMillion ?? null,
    sustained,
    spike,
    overload,
    memory,
    devices,
    reconnect,
    blackout,
    broken: brokenOf(measured),
  };
}

function brokenOf(measured: StormMeasurements): readonly string[] {
  const broken = aftermathsOf(measured).flatMap(([part, after]) => brokenPromises(part, after));
  const { overload, reconnect, blackout } = measured;
  if (overload !== undefined && !overload.intakeSlowed) {
    broken.push('overload: the intake was not slowed, so the load was not over what this machine takes');
  }
  if (reconnect !== undefined && reconnect.back < reconnect.order.devices) {
    broken.push(`reconnect: ${reconnect.order.devices - reconnect.back} devices did not come back`);
  }
  if (reconnect !== undefined && reconnect.shownTooOften > 0) {
    broken.push(`reconnect: ${reconnect.shownTooOften} devices were shown as disconnected more often than they were`);
  }
  if (blackout !== undefined && blackout.patchesFailed + blackout.commandsFailed > 0) {
    broken.push(`blackout: ${blackout.patchesFailed} PATCHes and ${blackout.commandsFailed} commands failed`);
  }
  return broken;
}

/** Of every part that sent events. */
export function aftermathsOf(measured: StormMeasurements | StormResult): readonly (readonly [string, Aftermath])[] {
  const { sustained, spike, overload, devices, reconnect, blackout } = measured;
  const parts = { spike, overload, devices, reconnect, blackout };
  return [
    ...(sustained ?? []).map((one) => [`sustained from ${one.devices} devices`, one.after] as const),
    ...Object.entries(parts).flatMap(([name, part]) =>
      part === null || part === undefined ? [] : [[name, part.after] as const],
    ),
  ];
}
