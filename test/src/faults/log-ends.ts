import { KafkaEventLog } from '@breakwater/adapter-kafka';
import type { Partition } from '@breakwater/twin';

import type { PlatformUnderFault } from './platform-under-fault.ts';

type RedisConnection = Awaited<ReturnType<PlatformUnderFault['redis']>>;

/** Where the telemetry lane of each partition ends, by the number of the partition. */
export type LogEnds = (redis: RedisConnection) => Promise<readonly number[]>;

/** Brokers are asked for each partition apart, and not as often as Redis. An end that is a little old is no harm. */
const KAFKA_EVERY_MS = 500;
const READS_ONLY = { topicPrefix: 'breakwater', compression: 'none', frameBytesMax: 1 } as const;

/** On whatever engine the platform has its log. */
export async function logEndsOf(
  platform: PlatformUnderFault,
  partitions: number,
): Promise<{ readonly read: LogEnds; close(): Promise<void> }> {
  const numbers = Array.from({ length: partitions }, (_, at) => at as Partition);
  const kafkaPort = (await platform.installation.parts()).get('kafka')?.ports['kafka'];
  if (kafkaPort === undefined) return { read: (redis) => endsInRedis(redis, numbers), close: async () => {} };
  const connection = { brokers: [`127.0.0.1:${kafkaPort}`], clientId: 'fault-watch' };
  const log = KafkaEventLog.open({ connection, ...READS_ONLY });
  let ends: readonly number[] = numbers.map(() => 0);
  let readAtMs = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<readonly number[]> => {
    if (performance.now() - readAtMs < KAFKA_EVERY_MS) return ends;
    readAtMs = performance.now();
    const bounds = await Promise.all(numbers.map((partition) => log.bounds('telemetry', partition)));
    ends = bounds.map(({ end }) => end);
    return ends;
  };
  return { read, close: () => log.close() };
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
