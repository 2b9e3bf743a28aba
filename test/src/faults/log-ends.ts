import { KafkaEventLog } from '@breakwater/adapter-kafka';
import type { Partition } from '@breakwater/twin';

import type { PlatformUnderFault } from './platform-under-fault.ts';

type RedisConnection = Awaited<ReturnType<PlatformUnderFault['redis']>>;

/** Where the telemetry lane of each partition ends, by the number of the partition. */
export type LogEnds = (redis: RedisConnection) => Promise<readonly number[]>;

/**
 * Brokers are asked for each partition apart, and not as often as Redis; nobody waits for their answers, because a
 * broker may be what is away. An end that is a little old is no harm.
 */
const KAFKA_EVERY_MS = 500;
const READS_ONLY = { topicPrefix: 'breakwater', compression: 'none', frameBytesMax: 1 } as const;

/** On whatever engine the platform has its log. */
export async function logEndsOf(
  platform: PlatformUnderFault,
  partitions: number,
): Promise<{ readonly read: LogEnds; close(): Promise<void> }> {
  const numbers = Array.from({ length: partitions }, (_, at) => at as Partition);
  const brokers = await platform.brokerAddresses();
  if (brokers.length === 0) return { read: (redis) => endsInRedis(redis, numbers), close: async () => {} };
  const connection = { brokers, clientId: 'fault-watch' };
  const log = KafkaEventLog.open({ connection, ...READS_ONLY });
  let ends: readonly number[] = numbers.map(() => 0);
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | null = null;
  const ask = async (): Promise<void> => {
    try {
      const bounds = await Promise.all(numbers.map((partition) => log.bounds('telemetry', partition)));
      ends = bounds.map(({ end }) => end);
    } catch {
      // The brokers are away: what was there before them is there after them.
    }
    asking = null;
  };
  const read = async (): Promise<readonly number[]> => {
    if (asking === null && performance.now() - askedAtMs >= KAFKA_EVERY_MS) {
      askedAtMs = performance.now();
      asking = ask();
    }
    return ends;
  };
  const close = async (): Promise<void> => {
    await asking;
    await log.close();
  };
  return { read, close };
}

async function endsInRedis(redis: RedisConnection, partitions: readonly Partition[]): Promise<readonly number[]> {
  const pipeline = redis.pipeline();
  for (const partition of partitions) pipeline.hget(`bw:{${partition}}:log:telemetry`, 'end');
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, end]) => {
    if (error !== null) throw error;
    return Number(end ?? 0);
  });
}
