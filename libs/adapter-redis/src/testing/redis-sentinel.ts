import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';

import { connectRedis } from '../connect-redis.ts';
import { startRedisServer, type RedisServerForTest } from './redis-server.ts';

export interface PrimaryForTest {
  /** For `connectRedis`: a sentinel, and what it calls the primary. */
  readonly url: string;
  readonly primary: RedisServerForTest;
  readonly replica: RedisServerForTest;
  stop(): Promise<void>;
}

const NAME = 'twins';
const DOWN_AFTER_MS = 1_000;
const FAILOVER_TIMEOUT_MS = 5_000;

/** A primary with one replica, and one sentinel that promotes it. */
export async function startRedisWithSentinel(): Promise<PrimaryForTest> {
  const [primaryPort, replicaPort, sentinelPort] = [await freePort(), await freePort(), await freePort()];
  const primary = await startRedisServer({ extra: listenOn(primaryPort) });
  const replicaOf = ['--replicaof', '127.0.0.1', String(primaryPort), '--repl-diskless-sync-delay', '0'];
  const replica = await startRedisServer({ extra: [...listenOn(replicaPort), ...replicaOf] });
  const sentinel = await startSentinel(sentinelPort, primaryPort);
  return {
    url: `redis+sentinel://127.0.0.1:${sentinelPort}/${NAME}`,
    primary,
    replica,
    stop: async () => {
      await sentinel.stop();
      await Promise.all([primary.stop(), replica.stop()]);
    },
  };
}

function listenOn(port: number): readonly string[] {
  return ['--port', String(port), '--bind', '127.0.0.1'];
}

async function startSentinel(port: number, primaryPort: number): Promise<{ stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'breakwater-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  // A sentinel writes what it learns into its file.
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 1`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MS}`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  (await connectRedis(`redis://127.0.0.1:${port}`)).disconnect();
  return { stop };
}
