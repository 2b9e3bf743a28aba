import { type Aftermath, brokenPromises } from './checks/broken-promises.ts';
import type { MachineFacts } from './machine-facts.ts';
import type { Overload } from './parts/measure-overload.ts';
import type { Spike } from './parts/measure-spike.ts';
import type { Sustained } from './parts/measure-sustained.ts';
import type { StormOptions } from './storm-options.ts';

/** What the parts measured; a part that was left out is absent. */
export interface StormMeasurements {
  readonly sustained?: readonly Sustained[];
  readonly spike?: Spike;
  readonly overload?: Overload;
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
  /** Promises that were not kept; any of them is a failure. */
  readonly broken: readonly string[];
}

export function stormResult(
  run: { readonly facts: MachineFacts; readonly options: StormOptions; readonly date: string },
  measured: StormMeasurements,
): StormResult {
  const { sustained, spike, overload } = measured;
  return {
    date: run.date,
    ...run.facts,
    options: run.options,
    sustainedPerSecond: sustained?.[0]?.perSecond ?? null,
    cpuSecondsPerMillion: sustained?.[0]?.cpuSecondsPerMillion ?? null,
    sustained: sustained ?? null,
    spike: spike ?? null,
    overload: overload ?? null,
    broken: brokenOf(measured),
  };
}

function brokenOf({ sustained = [], spike, overload }: StormMeasurements): readonly string[] {
  const afters: (readonly [string, Aftermath])[] = sustained.map(({ devices, after }) => [
    `sustained from ${devices} devices`,
    after,
  ]);
  if (spike !== undefined) afters.push(['spike', spike.after]);
  if (overload !== undefined) afters.push(['overload', overload.after]);
  const broken = afters.flatMap(([part, after]) => brokenPromises(part, after));
  if (overload !== undefined && !overload.intakeSlowed) {
    broken.push('overload: the intake was not slowed, so the load was not over what this machine takes');
  }
  return broken;
}
