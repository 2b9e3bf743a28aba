import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { kafkaAvailable } from '@breakwater/adapter-kafka/testing';
import { redisServerAvailable, startRedisCluster } from '@breakwater/adapter-redis/testing';
import { type Installation, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';

import { breakwater, type Ended } from '../src/breakwater-command.ts';
import { GuardedKafka } from '../src/kafka/guarded-kafka.ts';
import { exactlyOnceUnderLoad } from '../src/exactly-once-under-load.ts';
import { killPart, patchSurely, pause, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 20;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 12;
const WORKERS = ['twin-worker-1', 'twin-worker-2'];
const PARTITIONS = 16;
const TOPICS = ['control', 'telemetry', 'changes'];
/** By default a broker waits 45 s for a worker that was killed. */
const GROUPS = {
  'group.consumer.min.session.timeout.ms': 1_000,
  'group.consumer.session.timeout.ms': 3_000,
  'group.consumer.min.heartbeat.interval.ms': 100,
  'group.consumer.heartbeat.interval.ms': 500,
};

(kafkaAvailable() && redisServerAvailable() ? describe : describe.skip)('npm start on stores that are there', () => {
  let kafka: GuardedKafka;
  let topics: Ended;
  let installation: Installation;

  suiteInstallation(
    (started) => {
      installation = started;
    },
    {
      env: async (opened) => {
        kafka = opened.adopt(await GuardedKafka.start(GROUPS), (each) => each.stop());
        const redis = opened.adopt(await startRedisCluster(), (each) => each.stop());
        const env = {
          ...kafka.environment(),
          KAFKA_GROUP_PROTOCOL: 'consumer',
          PARTITIONS: String(PARTITIONS),
          REDIS_URL: redis.url,
        };
        topics = await breakwater({ dataDir: '/nowhere', key: '', env }, 'log', 'topics');
        return { ...env, TWIN_WORKERS: String(WORKERS.length) };
      },
    },
  );

  it('begins on topics that `breakwater log topics` has made, with no broker and no Redis of its own', async () => {
    const { code, stdout } = topics;
    expect({ code, topics: TOPICS.filter((each) => stdout.includes(`made breakwater.${each}.v1`)) }).toEqual({
      code: 0,
      topics: TOPICS,
    });
    const parts = [...(await installation.parts()).keys()];
    expect(parts).toEqual(expect.arrayContaining(WORKERS));
    for (const own of ['kafka', 'redis']) expect(parts).not.toContain(own);
  });

  it(
    'stores and applies everything once while brokers share the shards out, and a worker is killed and comes back',
    async () => {
      await until('both workers to have shards', () => everyWorkerHasShards(installation));
      await exactlyOnceUnderLoad(installation, {
        devices: { prefix: 'storm', count: DEVICES },
        eventsPerSecond: EVENTS_PER_SECOND,
        seconds: LOAD_SECONDS,
        meanwhile: async () => {
          await pause((LOAD_SECONDS * 1_000) / 4);
          await killPart(installation, WORKERS[0]!);
          // The supervisor may have it back before its session ends. Whether the other has all shards in between is
          // therefore open.
          await until('the new worker to have shards', () => everyWorkerHasShards(installation));
        },
      });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'answers a write of the API with what the twin said',
    async () => {
      await patchSurely(installation, 'storm-0', { desired: { interval: 5 } });
      expect(await twinOf(new PlatformClient(installation), 'storm-0')).toMatchObject({ desired: { interval: 5 } });
    },
    TEST_TIMEOUT_MS,
  );

  it('writes the password nowhere', async () => {
    const { dataDir } = installation;
    const written = (await readdir(dataDir, { recursive: true })).filter((name) => /\.(?:log|json)$/.test(name));
    // Parts of tables come and go, and tell nothing of how they were reached.
    const names = written.filter((name) => !name.startsWith(join('clickhouse', 'store')));
    expect(names.length).toBeGreaterThan(WORKERS.length);
    for (const name of names) {
      const text = await readFile(join(dataDir, name), 'utf8');
      expect({ name, tells: text.includes(kafka.password) }).toEqual({ name, tells: false });
    }
  });
});

async function everyWorkerHasShards(installation: Installation): Promise<boolean> {
  const shards = await Promise.all(WORKERS.map((worker) => shardsOf(installation, worker)));
  return shards.every((count) => count > 0) && shards.reduce((sum, count) => sum + count, 0) === PARTITIONS;
}

async function shardsOf(installation: Installation, worker: string): Promise<number> {
  const port = (await installation.parts()).get(worker)?.ports['metrics'];
  const text = await (await fetch(`http://127.0.0.1:${String(port)}/metrics`)).text();
  return Number(/^breakwater_twin_shards(?:\{.*\})? (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}
