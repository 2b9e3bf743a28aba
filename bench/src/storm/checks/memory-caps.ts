import type { ProcessUsage } from '../../process-sampler.ts';

const MIB = 1024 * 1024;
const CAP_BYTES = 600 * MIB;
/**
 * The embedded ClickHouse holds its engine's memory beside the heap: docs/operations/clickhouse.md. A broker of Kafka
 * has its buffers, threads and mapped indexes beside `KAFKA_HEAP_MB`.
 */
const CAPS: Readonly<Record<string, number>> = { 'embedded-clickhouse': 1_200 * MIB, kafka: 1_200 * MIB };

/** What is no part of the platform has no cap. */
export const GENERATOR = 'load generator';

/** How much memory a process of the platform may take. */
export function capBytesOf(name: string): number {
  return name === GENERATOR ? Infinity : (CAPS[name] ?? CAP_BYTES);
}

export function overCap(usage: readonly ProcessUsage[]): readonly string[] {
  return usage
    .filter(({ name, peakBytes }) => peakBytes > capBytesOf(name))
    .map(({ name, peakBytes }) => `${name} took ${toMib(peakBytes)} MiB, its cap is ${toMib(capBytesOf(name))} MiB`);
}

export function toMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
