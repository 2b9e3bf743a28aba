import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Installation, LoadGenerator, PlatformClient } from '@breakwater/bench';

import {
  CONDITION_TIMEOUT_MS,
  expectExactlyOnce,
  killPart,
  pause,
  pidOf,
  TEST_TIMEOUT_MS,
  until,
} from '../src/platform-steps.ts';

const DEVICES = 30;
const EVENTS_PER_SECOND = 300;
const LOAD_SECONDS = 12;
const FAULT_AFTER_MS = 3_000;
/** Longer than the leases of worker and gateway, so that their work is taken over meanwhile. */
const STOPPED_MS = 16_000;

/** Each fault strikes under load; afterwards every event is acknowledged, applied once and stored once. */
describe('under load', () => {
  let installation: Installation;
  let client: PlatformClient;

  beforeAll(async () => {
    installation = await Installation.start();
    client = new PlatformClient(installation);
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    await installation.stop();
    await installation.remove();
  }, TEST_TIMEOUT_MS);

  it.each(['gateway', 'redis', 'embedded-clickhouse', 'api'])(
    '%s is killed',
    async (part) => {
      await survives(`killed-${part}`, () => killPart(installation, part));
    },
    TEST_TIMEOUT_MS,
  );

  it.each(['twin-worker-1', 'gateway'])(
    '%s is stopped for longer than its lease and goes on',
    async (part) => {
      await survives(`stopped-${part}`, async () => {
        const pid = await pidOf(installation, part);
        process.kill(pid, 'SIGSTOP');
        await pause(STOPPED_MS);
        process.kill(pid, 'SIGCONT');
      });
    },
    TEST_TIMEOUT_MS,
  );

  async function survives(name: string, strike: () => Promise<void>): Promise<void> {
    const logins = await client.registerDevices(name, DEVICES);
    const generator = new LoadGenerator({ logins, host: '127.0.0.1', port: installation.mqttPort });
    await generator.connect();
    const load = generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
    await pause(FAULT_AFTER_MS);
    await strike();
    await load;
    const left = await generator.settle(CONDITION_TIMEOUT_MS);
    generator.close();
    expect(left).toBe(0);
    await until(
      'the API to be ready again',
      async () => (await fetch(`${installation.url}/health/ready`)).status === 200,
    );
    await expectExactlyOnce(installation, generator, EVENTS_PER_SECOND * LOAD_SECONDS);
  }
});

describe('everything at once', () => {
  it(
    'is killed under load and loses nothing that was acknowledged',
    async () => {
      const first = await Installation.start();
      const logins = await new PlatformClient(first).registerDevices('blackout', DEVICES);
      const generator = new LoadGenerator({ logins, host: '127.0.0.1', port: first.mqttPort });
      await generator.connect();
      const load = generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
      await pause(FAULT_AFTER_MS);
      const parts = await first.parts();
      process.kill(first.pid, 'SIGKILL');
      for (const part of parts.values()) killIfAlive(part.pid);
      const second = await Installation.start({
        dataDir: first.dataDir,
        env: { HTTP_PORT: new URL(first.url).port, MQTT_PORT: String(first.mqttPort) },
      });
      await load;
      const left = await generator.settle(CONDITION_TIMEOUT_MS);
      generator.close();
      expect(left).toBe(0);
      await expectExactlyOnce(second, generator, EVENTS_PER_SECOND * LOAD_SECONDS);
      await second.stop();
      await second.remove();
    },
    TEST_TIMEOUT_MS,
  );
});

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended with its supervisor's pipe: that is how it should be.
  }
}
