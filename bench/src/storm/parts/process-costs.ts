import type { ProcessUsage } from '../../process-sampler.ts';
import { capBytesOf, GENERATOR, toMib } from '../checks/memory-caps.ts';

const MILLION = 1_000_000;

/** What one process took for a load. */
export interface ProcessCost {
  readonly name: string;
  readonly cpuSecondsPerMillion: number;
  readonly peakMib: number;
  /** Null for what is no part of the platform. */
  readonly capMib: number | null;
}

export interface Costs {
  /** All processes and stores of the platform, without the load generator. */
  readonly cpuSecondsPerMillion: number;
  readonly generatorCpuSecondsPerMillion: number;
  readonly processes: readonly ProcessCost[];
}

export function costsOf(usage: readonly ProcessUsage[], events: number): Costs {
  const millions = Math.max(events, 1) / MILLION;
  const processes = usage.map(({ name, cpuSeconds, peakBytes }) => {
    const capBytes = capBytesOf(name);
    return {
      name,
      cpuSecondsPerMillion: cpuSeconds / millions,
      peakMib: toMib(peakBytes),
      capMib: Number.isFinite(capBytes) ? toMib(capBytes) : null,
    };
  });
  const sum = (isCounted: (name: string) => boolean): number =>
    processes.filter(({ name }) => isCounted(name)).reduce((total, cost) => total + cost.cpuSecondsPerMillion, 0);
  return {
    cpuSecondsPerMillion: sum((name) => name !== GENERATOR),
    generatorCpuSecondsPerMillion: sum((name) => name === GENERATOR),
    processes,
  };
}
