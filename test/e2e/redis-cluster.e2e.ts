import { describe, expect, it } from '@jest/globals';
import { redisServerAvailable, startRedisCluster, type RedisClusterForTest } from '@breakwater/adapter-redis/testing';
import { type Installation, PlatformClient } from '@breakwater/bench';

import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { exactlyOnceUnderLoad } from '../src/exactly-once-under-load.ts';
import { patchSurely, pause, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 20;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 8;

(redisServerAvailable() ? describe : describe.skip)('the whole platform on a Redis Cluster', () => {
  let cluster: RedisClusterForTest;
  let installation: Installation;
  let client: PlatformClient;

  suiteInstallation(
    (started) => {
      installation = started;
      client = new PlatformClient(installation);
    },
    {
      env: async (opened) => {
        cluster = opened.adopt(await startRedisCluster(), (started) => started.stop());
        return { REDIS_URL: cluster.url };
      },
    },
  );

  it('starts no Redis of its own', async () => {
    expect([...(await installation.parts()).keys()]).not.toContain('redis');
  });

  it(
    'stores every acknowledged event once, while a slot moves and a node is killed and comes back',
    async () => {
      await exactlyOnceUnderLoad(installation, {
        devices: { prefix: 'storm', count: DEVICES },
        eventsPerSecond: EVENTS_PER_SECOND,
        seconds: LOAD_SECONDS,
        meanwhile: async () => {
          await pause((LOAD_SECONDS * 1_000) / 4);
          const from = await cluster.ownerOf('bw:{0}:shard');
          const to = cluster.masters.find((node) => node !== from)!;
          await cluster.moveSlotOf('bw:{0}:shard', to);
          await pause((LOAD_SECONDS * 1_000) / 4);
          await from.server.restart();
        },
      });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'answers a write of the API with what the twin said',
    async () => {
      await patchSurely(installation, 'storm-0', { desired: { interval: 5 } });
      expect(await twinOf(client, 'storm-0')).toMatchObject({ desired: { interval: 5 } });
    },
    TEST_TIMEOUT_MS,
  );

  (temporalProgram() === undefined ? it.skip : it)(
    'takes a command to its device and back (needs the Temporal CLI)',
    async () => {
      const steps = new CommandSteps(installation);
      await steps.ready();
      const device = await steps.device('pump', { protocolVersion: 5 });
      device.start();
      await until('the device to listen', () => device.isListening);
      await steps.orderSurely('pump-0', { method: 'reboot', commandId: 'reboot-1' });
      expect(await steps.reaches('reboot-1', 'SUCCEEDED')).toMatchObject({ attempts: 1 });
    },
    TEST_TIMEOUT_MS,
  );
});
