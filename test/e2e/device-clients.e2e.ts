import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Installation, PlatformClient } from '@breakwater/bench';

import { REPORTED, WANTED_INTERVAL, type DeviceClient } from '../src/device-clients/device-session.ts';
import { mosquittoDevice } from '../src/device-clients/mosquitto-device.ts';
import { mqttJsDevice } from '../src/device-clients/mqttjs-device.ts';
import { pahoGoDevice, pahoPythonDevice } from '../src/device-clients/paho-devices.ts';
import { SMALL_BUFFER_BYTES, SmallClient, smallDevice } from '../src/device-clients/small-client.ts';
import {
  NotPrepared,
  providePahoGoDevice,
  providePahoPython,
  requirePrograms,
} from '../src/mqtt-harness/suites/outside-programs.ts';
import { patchTwin, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';

/** What cannot be prepared is skipped, and named by its tests; with CI=true it is a failure that says why. */
async function provided<T>(provide: () => Promise<T>): Promise<T | null> {
  try {
    return await provide();
  } catch (error) {
    if (!(error instanceof NotPrepared) || process.env['CI'] === 'true') throw error;
    process.stderr.write(`${error.message}\n`);
    return null;
  }
}

const python = await provided(providePahoPython);
const goDevice = await provided(providePahoGoDevice);
const mosquitto = await provided(async () => requirePrograms('mosquitto_pub', 'mosquitto_sub') ?? true);

const own: readonly DeviceClient[] = [
  mqttJsDevice(4, 'tcp'),
  mqttJsDevice(5, 'tcp'),
  mqttJsDevice(4, 'WebSocket'),
  mqttJsDevice(5, 'WebSocket'),
  smallDevice('PubSubClient'),
  smallDevice('ESP-IDF'),
];
const outside: readonly (readonly [DeviceClient, unknown])[] = [
  [pahoPythonDevice(4, () => python ?? ''), python],
  [pahoPythonDevice(5, () => python ?? ''), python],
  [pahoGoDevice(() => goDevice ?? ''), goDevice],
  [mosquittoDevice('mqttv311'), mosquitto],
  [mosquittoDevice('mqttv5'), mosquitto],
];

let installation: Installation;
let platform: PlatformClient;
let devices = 0;

beforeAll(async () => {
  installation = await Installation.start();
  platform = new PlatformClient(installation);
}, TEST_TIMEOUT_MS);

afterAll(async () => {
  const code = await installation.stop();
  await installation.remove();
  expect(code).toBe(0);
}, TEST_TIMEOUT_MS);

async function newDevice(): Promise<{ readonly id: string; readonly token: string }> {
  devices += 1;
  const [login] = await platform.registerDevices(`client-${devices}`, 1);
  if (login === undefined) throw new Error('no device was registered');
  return login;
}

async function desire(id: string, desired: object): Promise<void> {
  expect((await patchTwin(installation, id, { desired })).status).toBe(200);
}

async function passes(client: DeviceClient): Promise<void> {
  const { id, token } = await newDevice();
  const webSocketPort = (await installation.parts()).get('gateway')?.ports['mqttWs'] ?? 0;
  const subscribed = (): Promise<void> => desire(id, { interval: WANTED_INTERVAL });
  const report = await client.run({
    ...{ host: '127.0.0.1', port: installation.mqttPort, webSocketPort },
    ...{ token, subscribed },
  });
  expect(report.interval).toBe(WANTED_INTERVAL);
  expect(report.lastAcknowledged).toBeGreaterThan(0);
  // A device that has heard an acknowledgement may forget the message: it is in the platform.
  await until('the last acknowledged telemetry in the twin', async () => {
    const twin = await twinOf(platform, id);
    return twin.telemetry['seq']?.value === report.lastAcknowledged;
  });
  expect((await twinOf(platform, id)).reported).toEqual(REPORTED);
}

describe('the clients of other people, as they are', () => {
  it.each(own.map((client) => [client.name, client] as const))('%s', (_, client) => passes(client), TEST_TIMEOUT_MS);

  for (const [client, isHere] of outside) {
    (isHere === null ? it.skip : it)(client.name, () => passes(client), TEST_TIMEOUT_MS);
  }
});

describe(`a client with a buffer of ${SMALL_BUFFER_BYTES} bytes`, () => {
  it(
    'comes back after a lost connection, and is told what was wanted meanwhile',
    async () => {
      const { id, token } = await newDevice();
      const first = new SmallClient('127.0.0.1', installation.mqttPort);
      await first.connect('chip', token);
      await first.publishQos1('v1/devices/me/telemetry', { boot: 1 });
      first.drop();
      await desire(id, { interval: 7 });
      const second = new SmallClient('127.0.0.1', installation.mqttPort);
      await second.connect('chip', token);
      await second.subscribe('v1/devices/me/twin/desired');
      await until('the delta', () => second.received.some(({ payload }) => payload.includes('"interval":7')));
      await second.ping();
      second.disconnect();
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'drops a delta that is larger, and asks for less by reporting what it has',
    async () => {
      const { id, token } = await newDevice();
      const chip = new SmallClient('127.0.0.1', installation.mqttPort);
      await chip.connect('chip', token);
      await chip.subscribe('v1/devices/me/twin/desired');
      await desire(id, { banner: 'x'.repeat(SMALL_BUFFER_BYTES) });
      await until('a packet over the buffer', () => chip.dropped > 0);
      // The connection lives on, and what is small still comes through.
      await chip.ping();
      chip.publishQos0('v1/devices/me/twin/reported', { banner: 'x'.repeat(100) });
      await desire(id, { banner: null, interval: 3 });
      await until('the small delta', () => chip.received.some(({ payload }) => payload.includes('"interval":3')));
      chip.disconnect();
    },
    TEST_TIMEOUT_MS,
  );
});
