import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { type Installation, PlatformClient } from '@breakwater/bench';

import {
  CLIENT_TIMEOUT_MS,
  REPORTED,
  WANTED_INTERVAL,
  type DeviceClient,
} from '../src/device-clients/device-session.ts';
import { mosquittoDevice } from '../src/device-clients/mosquitto-device.ts';
import { mqttJsDevice } from '../src/device-clients/mqttjs-device.ts';
import { pahoGoDevice, pahoPythonDevice } from '../src/device-clients/paho-devices.ts';
import { readmeProgram } from '../src/device-clients/readme-blocks.ts';
import { SMALL_BUFFER_BYTES, SmallClient, smallDevice } from '../src/device-clients/small-client.ts';
import {
  NotPrepared,
  providePahoGoDevice,
  providePahoPython,
  requirePrograms,
} from '../src/mqtt-harness/suites/outside-programs.ts';
import { runToEnd, suiteFolder } from '../src/mqtt-harness/suites/suite-programs.ts';
import { patchTwin, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

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

suiteInstallation((started) => {
  installation = started;
  platform = new PlatformClient(installation);
});

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

describe('the lines of the README, word by word', () => {
  const env = (): Record<string, string> => ({
    ADMIN_API_KEY: installation.key,
    MQTT_PORT: String(installation.mqttPort),
    HTTP_PORT: new URL(installation.url).port,
  });
  /** Made by the first lines; those of other languages are run with its token. */
  let token = '';

  /** Runs a program to a good end and answers what it printed. */
  async function output(program: string, args: readonly string[], more: Record<string, string> = {}): Promise<string> {
    const result = await runToEnd(program, args, { env: { ...env(), ...more }, timeoutMs: CLIENT_TIMEOUT_MS });
    if (result.code !== 0) throw new Error(`${program} ended with ${String(result.code)}\n${result.output}`);
    return result.output;
  }

  async function expectTemperature(value: number): Promise<void> {
    await until(`a temperature of ${value}`, async () => {
      return (await twinOf(platform, 'greenhouse')).telemetry['temperature']?.value === value;
    });
  }

  /** What the token-making lines leave behind is asked for in the same shell. */
  const shellTest = async (): Promise<void> => {
    const printed = await output('bash', ['-ec', `${readmeProgram('sh')}\necho; echo "token=$DEVICE_TOKEN"`]);
    token = /^token=(.+)$/m.exec(printed)?.[1] ?? '';
    expect(printed).toContain('"interval":10');
    await expectTemperature(21.5);
    expect((await twinOf(platform, 'greenhouse')).reported).toEqual({ firmware: '1.0' });
  };
  (mosquitto === null ? it.skip : it)('mosquitto_pub and mosquitto_sub', shellTest, TEST_TIMEOUT_MS);

  (python === null || mosquitto === null ? it.skip : it)(
    'Python',
    async () => {
      expect(token).not.toBe('');
      const printed = await output(python ?? '', ['-c', readmeProgram('python')], { DEVICE_TOKEN: token });
      expect(printed).toContain('"interval":10');
      await expectTemperature(22.5);
    },
    TEST_TIMEOUT_MS,
  );

  (mosquitto === null ? it.skip : it)(
    'JavaScript',
    async () => {
      expect(token).not.toBe('');
      // Beside the packages, so that the import finds them as it would in a project of the reader.
      const file = join(suiteFolder('readme'), 'device.mjs');
      writeFileSync(file, readmeProgram('js'));
      expect(await output(process.execPath, [file], { DEVICE_TOKEN: token })).toContain('"interval":10');
      await expectTemperature(23.5);
    },
    TEST_TIMEOUT_MS,
  );

  it('and those for chips that do not run here', () => {
    expect(readmeProgram('c')).toContain('esp_mqtt_client_start');
    expect(readmeProgram('cpp')).toContain('client.setBufferSize');
  });
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
