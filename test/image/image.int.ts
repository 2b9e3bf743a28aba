import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { redisServerAvailable, type RedisServerForTest, startRedisServer } from '@breakwater/adapter-redis/testing';
import { PlatformClient } from '@breakwater/bench';
import { freePort } from '@breakwater/free-port';
import type { StartedProgram } from '@breakwater/observability/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { temporalProgram } from '../src/command-steps.ts';
import { imageProgram, type PlaceOfProgram, userOfImage } from '../src/image/image-program.ts';
import { ImageTree } from '../src/image/image-tree.ts';
import { openLoad } from '../src/open-load.ts';
import { CONDITION_TIMEOUT_MS, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';

/** The programs that the chart starts, each with the setting of the port at which it says how it is. */
const PARTS = {
  gateway: 'apps/gateway/dist/main.js',
  'twin-worker': 'apps/twin-worker/dist/main.js',
  'telemetry-writer': 'apps/telemetry-writer/dist/main.js',
  api: 'apps/api/dist/main.js',
  'temporal-worker': 'temporal/worker/dist/main.js',
} as const;
type Part = keyof typeof PARTS;
const names = Object.keys(PARTS) as Part[];

const DEVICES = 3;
const EVENTS = 60;
const KEY = 'image-under-test-key';
const host = '127.0.0.1';

/**
 * The image, without a container engine: what the Dockerfile would put into it, run by nobody's user from a tree that
 * this user cannot write to. A package that is pruned, or a file that a process wants to write, shows here.
 */
(redisServerAvailable() ? describe : describe.skip)('the image', () => {
  let tree: ImageTree;
  let tmp: string;
  let redis: RedisServerForTest;
  let clickhouse: EmbeddedProcess;
  let temporal: ChildProcess | null = null;
  let mqttPort: number;
  let env: Readonly<Record<string, string>>;
  const healthPorts = new Map<Part, number>();
  const running = new Map<Part, StartedProgram>();

  beforeAll(async () => {
    tree = ImageTree.make();
    tmp = mkdtempSync(join(tmpdir(), 'breakwater-image-tmp-'));
    if (userOfImage !== null) chownSync(tmp, userOfImage, userOfImage);
    const redisPort = await freePort();
    [redis, clickhouse] = await Promise.all([
      startRedisServer({ extra: ['--port', String(redisPort), '--bind', host] }),
      EmbeddedProcess.start(),
    ]);
    const temporalPort = await freePort();
    const program = temporalProgram();
    if (program !== undefined) {
      const args = ['server', 'start-dev', '--headless', '--ip', host, '--port', String(temporalPort)];
      temporal = spawn(program, [...args, '--namespace', 'breakwater', '--log-level', 'error'], { stdio: 'ignore' });
    }
    for (const name of names) healthPorts.set(name, await freePort());
    mqttPort = await freePort();
    env = {
      ...{ BIND_HOST: host, PARTITIONS: '4', LOG_LEVEL: 'info', ADMIN_API_KEY: KEY, EVENT_LOG: 'redis' },
      ...{ REDIS_URL: `redis://${host}:${redisPort}`, CLICKHOUSE_URL: clickhouse.url },
      ...{ MQTT_PORT: String(mqttPort), MQTT_WS_PORT: String(await freePort()) },
      ...{ HTTP_PORT: String(healthPorts.get('api')) },
      ...(program === undefined ? {} : { TEMPORAL_ADDRESS: `${host}:${temporalPort}` }),
    };
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    await Promise.all([...running.values()].map((part) => part.end('SIGTERM')));
    temporal?.kill('SIGKILL');
    await Promise.all([redis?.stop(), clickhouse?.remove()]);
    for (const folder of [tmp, tree?.folder]) if (folder) rmSync(folder, { recursive: true, force: true });
  }, TEST_TIMEOUT_MS);

  const placeOf = (more: Readonly<Record<string, string>> = {}): PlaceOfProgram => ({
    ...{ tree, tmp, env: { ...env, ...more } },
  });

  it('holds no embedded engine, no sources and nothing that only builds or tests', () => {
    const left = [
      'node_modules/chdb',
      'node_modules/prettier',
      'node_modules/typescript',
      'node_modules/jest',
      'apps/standalone',
      'tools',
      'test',
    ];
    expect(left.filter((path) => tree.has(path))).toEqual([]);
    expect(tree.has('apps/gateway/src') || tree.has('libs/wire/src')).toBe(false);
    expect(['libs/wire/dist', 'docs/errors.md', 'node_modules/ioredis'].filter((path) => !tree.has(path))).toEqual([]);
  });

  it(
    'brings up the schema',
    async () => {
      const migrations = imageProgram(placeOf(), ['apps/cli/bin/breakwater.mjs', 'migrate']);
      expect([await migrations.ended(), migrations.output]).toEqual([0, expect.stringContaining('0001-telemetry')]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'starts every part of a cluster, and each becomes ready',
    async () => {
      for (const name of names) {
        const place = placeOf(name === 'api' ? {} : { METRICS_PORT: String(healthPorts.get(name)) });
        running.set(name, imageProgram(place, ['--max-old-space-size=384', PARTS[name]]));
      }
      for (const name of names) {
        await until(`${name} to be ready`, async () => {
          const part = running.get(name);
          if (part?.hasEnded !== false) throw new Error(`${name} has ended: ${part?.output}`);
          const answer = await fetch(`http://${host}:${healthPorts.get(name)}/health/ready`);
          const body = (await answer.json()) as { readonly degraded?: readonly unknown[] };
          if (answer.status !== 200 || (body.degraded ?? []).length > 0) throw new Error(JSON.stringify(body));
          return true;
        });
      }
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'carries events from devices to twins and rows, and serves the page that its errors point at',
    async () => {
      const url = `http://${host}:${healthPorts.get('api')}`;
      const client = new PlatformClient({ url, key: KEY });
      const logins = await client.registerDevices('image', DEVICES);
      const generator = await openLoad({ mqttPort }, logins);
      await generator.run([{ eventsPerSecond: EVENTS, seconds: 1 }]);
      expect(await generator.settle(CONDITION_TIMEOUT_MS)).toBe(0);
      await until('every event to be applied and stored', async () => {
        const { telemetryStored, twinLag, writerLag } = await client.ledger();
        return telemetryStored === EVENTS && twinLag === 0 && writerLag === 0;
      });
      const refused = (await (await fetch(`${url}/api/v1/devices/none`)).json()) as { readonly type: string };
      expect((await fetch(new URL(refused.type, url))).status).toBe(200);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'stops in order',
    async () => {
      const codes = await Promise.all(names.map(async (name) => [name, await running.get(name)?.end('SIGTERM')]));
      expect(codes).toEqual(names.map((name) => [name, 0]));
    },
    TEST_TIMEOUT_MS,
  );
});
