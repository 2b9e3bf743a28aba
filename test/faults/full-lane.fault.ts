import { type Installation, PlatformClient } from '@breakwater/bench';
import { QUEUES } from '@breakwater/observability';
import { describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';

import { afterThisTest } from '../src/after-this-test.ts';
import { connectDevice } from '../src/connect-device.ts';
import { openLoad } from '../src/open-load.ts';
import {
  CONDITION_TIMEOUT_MS,
  expectExactlyOnce,
  patchTwin,
  pause,
  TEST_TIMEOUT_MS,
  until,
} from '../src/platform-steps.ts';
import { hasPrometheus, PrometheusServer } from '../src/prometheus-server.ts';
import { stopPart } from '../src/stop-part.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const MIB = 1024 * 1024;
const DEVICES = 40;
const EVENTS_PER_SECOND = 400;
/** A lane fills in well under this, and each later step begins when the one before was seen. */
const FILL_SECONDS_MAX = 120;
const LARGE_DEVICES = 8;
const LARGE_PAYLOAD = JSON.stringify({ text: 'x'.repeat(40_000) });
const TOPIC = 'v1/devices/me/telemetry';
const PATCHES = 5;
/** How much longer than in quiet a PATCH may take while the telemetry lane is full; and what counts as nothing. */
const PATCH_FACTOR_MAX = 20;
const PATCH_FLOOR_MS = 1_000;

/** Small limits, in the order of the defaults, so that each is reached within seconds. */
const SMALL = {
  PARTITIONS: '4',
  LOG_TELEMETRY_BYTES_PER_PARTITION: String(2 * MIB),
  GATEWAY_STOP_READING_BYTES: String(MIB / 8),
  GATEWAY_SHED_BYTES: String(MIB / 4),
  GATEWAY_REFUSE_CONNECTS_BYTES: String(MIB / 2),
  EMBEDDED_TEMPORAL: 'off',
};

(hasPrometheus ? describe : describe.skip)('a telemetry lane that fills (needs prometheus)', () => {
  let installation: Installation;
  let prometheus: PrometheusServer;
  let closes = 0;

  suiteInstallation(
    async (started, opened) => {
      installation = started;
      prometheus = opened.adopt(await PrometheusServer.start(installation), (each) => each.stop());
    },
    { env: SMALL },
  );

  async function connectClients(prefix: string, count: number): Promise<readonly MqttClient[]> {
    const logins = await new PlatformClient(installation).registerDevices(prefix, count);
    const connected = await Promise.all(
      logins.map(({ id, token }) =>
        connectDevice(installation.mqttPort, { clientId: id, username: id, password: token }),
      ),
    );
    for (const client of connected) client.on('close', () => (closes += 1));
    return connected;
  }

  async function medianPatchMs(id: string): Promise<number> {
    const took: number[] = [];
    for (let count = 0; count < PATCHES; count++) {
      const startMs = performance.now();
      const { status } = await patchTwin(installation, id, { desired: { count: performance.now() } });
      expect(status).toBe(200);
      took.push(performance.now() - startMs);
    }
    return took.toSorted((left, right) => left - right)[Math.floor(PATCHES / 2)] as number;
  }

  const measures = async (): Promise<readonly string[]> =>
    (await prometheus.labels('breakwater_overload_measure == 1', 'measure')).toSorted();
  const shed = async (): Promise<number> => (await prometheus.value('breakwater_shed_total')) ?? 0;

  it('shows the fill and the limit of every queue of the inventory', async () => {
    for (const [service, queues] of Object.entries(QUEUES)) {
      if (service === 'temporal-worker') continue;
      await until(`the queues of ${service}`, async () => {
        const seen = new Set(await prometheus.labels(`breakwater_queue_max{service="${service}"}`, 'queue'));
        return Object.keys(queues).every((queue) => seen.has(queue));
      });
    }
  });

  it(
    'alerts before anything is shed, takes its measures in order, and drains by itself with nothing lost',
    async () => {
      const logins = await new PlatformClient(installation).registerDevices('lane', DEVICES);
      const generator = await openLoad(installation, logins);
      const [unsure] = await connectClients('unsure', 1);
      const large = await connectClients('large', LARGE_DEVICES);
      const quietMs = await medianPatchMs('lane-0');
      const chatter = setInterval(() => unsure?.publish(TOPIC, '{"chatter":1}', { qos: 0 }), 200);
      afterThisTest(() => clearInterval(chatter));

      const goesOn = [await stopPart(installation, 'telemetry-writer')];
      const load = generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: FILL_SECONDS_MAX }]);
      void load.catch(() => undefined);
      await until('the alert', async () => (await prometheus.firing()).has('BreakwaterQueueFillsSoon'));
      expect(await shed()).toBe(0);
      await until('acknowledgements to be withheld', async () => (await measures()).includes('withhold'));
      await until('sockets to be read one message at a time', async () => (await measures()).includes('stopReading'));
      expect(await prometheus.value('breakwater_mqtt_reading_stopped_total{cause="pressure"}')).toBeGreaterThan(0);

      const answered = Promise.all(large.map((client) => client.publishAsync(TOPIC, LARGE_PAYLOAD, { qos: 1 })));
      await until('QoS 0 to be shed', async () => (await shed()) > 0);
      expect(await prometheus.labels('breakwater_shed_total', 'tenant')).toEqual(['default']);
      expect((await prometheus.firing()).has('BreakwaterQueueFillsSoon')).toBe(true);

      const fullMs = await medianPatchMs('lane-0');
      expect(fullMs).toBeLessThan(Math.max(PATCH_FLOOR_MS, quietMs * PATCH_FACTOR_MAX));
      for (const worker of ['twin-worker-1', 'twin-worker-2']) goesOn.push(await stopPart(installation, worker));
      await pause(2_000);
      expect(closes + generator.progress().reconnects).toBe(0);

      for (const goOn of goesOn) goOn();
      await answered;
      await load;
      expect(await generator.settle(CONDITION_TIMEOUT_MS)).toBe(0);
      clearInterval(chatter);
      await until('no measure to be taken any more', async () => (await measures()).length === 0);
      expect(closes + generator.progress().reconnects).toBe(0);
      await expectExactlyOnce(installation, generator, generator.progress().sent);
    },
    TEST_TIMEOUT_MS * 2,
  );
});
