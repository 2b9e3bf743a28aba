import { connectRedis, partitionCountOf, RedisPartitionLeases, renewRestoredLog } from '@breakwater/adapter-redis';
import type { Partition } from '@breakwater/twin';

import { CliFailure, EXIT } from '../cli-failure.ts';
import { withRedisOf } from '../installation/redis-of-folder.ts';
import { bad, type Terminal } from '../terminal.ts';

export interface RestoredOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Data folder of an embedded installation; not looked at when `REDIS_URL` is set. */
  readonly dataFolder: string;
}

/** Answers the exit code: 1 when some twins were left behind. */
export async function logRestoredCommand({ env, dataFolder }: RestoredOptions, terminal: Terminal): Promise<number> {
  const url = env['REDIS_URL'] ?? '';
  if (url !== '') return renewAt(url, terminal, { mayHaveWorkers: true });
  // Nobody else reaches this server. A copy that is taken while workers run has their leases in it, and each start of a
  // Redis lets those stand once more: asking would refuse such a copy for ever.
  return withRedisOf(dataFolder, env, (redisUrl) => renewAt(redisUrl, terminal, { mayHaveWorkers: false }));
}

async function renewAt(
  redisUrl: string,
  terminal: Terminal,
  { mayHaveWorkers }: { readonly mayHaveWorkers: boolean },
): Promise<number> {
  const redis = await connectRedis(redisUrl, { name: 'cli' });
  try {
    const partitionCount = await partitionCountOf(redis);
    if (partitionCount === null) throw noLog(redisUrl);
    const partitions = Array.from({ length: partitionCount }, (_, at) => at as Partition);
    if (mayHaveWorkers && (await new RedisPartitionLeases(redis).held(partitions)).some(Boolean)) {
      throw new CliFailure('INSTALLATION_RUNNING', 'twin-workers are at work: stop them first, then say it again');
    }
    const renewed = await renewRestoredLog(redis, partitionCount);
    if (renewed === null) throw noLog(redisUrl);
    terminal.line(`The log ${renewed.before} is now ${renewed.logId}. Start the installation.`);
    for (const { partition, lane, position, first, end } of renewed.leftBehind) {
      const place = `partition ${partition}, ${lane}: the twins stand at ${position}`;
      terminal.line(bad(`${place}, and the log holds ${first} to ${end}; this partition will not start`));
    }
    return renewed.leftBehind.length === 0 ? 0 : EXIT.differs;
  } finally {
    redis.disconnect();
  }
}

function noLog(redisUrl: string): CliFailure {
  return new CliFailure('INSTALLATION_NOT_FOUND', `the Redis at ${redisUrl} holds no log`);
}
