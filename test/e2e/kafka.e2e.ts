import { kafkaAvailable, readTopic } from '@breakwater/adapter-kafka/testing';
import { Installation, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';

import { breakwater } from '../src/breakwater-command.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { connectDevice } from '../src/connect-device.ts';
import { exactlyOnceUnderLoad } from '../src/exactly-once-under-load.ts';
import {
  collect,
  killPart,
  patchTwin,
  pause,
  TEST_TIMEOUT_MS,
  type TwinDocument,
  twinOf,
  until,
} from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 40;
const EVENTS_PER_SECOND = 300;
const LOAD_SECONDS = 24;
/** In this order under one load, the broker last: it takes the longest to come back. */
const KILLED = ['twin-worker-1', 'telemetry-writer', 'gateway', 'kafka'];
const GOOD = 0;
const SHORT_SECONDS = 4;
const CHANGE_REST_MS = 100;
/** Of one twin while that load goes on: far fewer than are tried. */
const CHANGES_MIN = 20;

interface History {
  readonly items: readonly { readonly twin: TwinDocument }[];
  readonly nextCursor: string | null;
}

interface ChangeOfTwin {
  readonly incarnation: number;
  readonly changeNumber: number;
  readonly twin: TwinDocument;
}

/** A new device has version 0. */
function downFrom(version: number): readonly number[] {
  return Array.from({ length: version + 1 }, (_, at) => version - at);
}

(kafkaAvailable() ? describe : describe.skip)('npm start on Kafka (needs Java and the jars of Kafka)', () => {
  let installation: Installation;
  let client: PlatformClient;

  const suite = suiteInstallation(
    (started) => {
      installation = started;
      client = new PlatformClient(installation);
    },
    { env: { EVENT_LOG: 'kafka' } },
  );

  const expectGood = async (...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await breakwater(installation, ...args);
    expect({ code, said: code === GOOD ? '' : stdout + stderr }).toEqual({ code: GOOD, said: '' });
  };

  /** Each twin in the history of one device, newest change first. */
  const historyOf = async (device: string): Promise<readonly TwinDocument[]> => {
    const twins: TwinDocument[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const url = `${installation.url}/api/v1/devices/${device}/twin/history?limit=100${query}`;
      const response = await fetch(url, { headers: { authorization: `Bearer ${installation.key}` } });
      const { items, nextCursor } = (await response.json()) as History;
      twins.push(...items.map(({ twin }) => twin));
      cursor = nextCursor;
    }
    return twins;
  };

  /** Desired state changes all the time, also while parts are away; whether a change was applied need not be known. */
  const changeUntil = async (device: string, end: Promise<unknown>): Promise<void> => {
    let isOver = false;
    const over = end.finally(() => (isOver = true));
    for (let round = 1; !isOver; round += 1) {
      await patchTwin(installation, device, { desired: { round } }).catch(() => undefined);
      await pause(CHANGE_REST_MS);
    }
    await over;
  };

  /** As docs/protocol/changes.md has it, to a consumer that is no part of the platform. */
  const expectInTopic = async (device: string, version: number): Promise<void> => {
    const port = (await installation.parts()).get('kafka')?.ports['kafka'];
    const records = await readTopic([`127.0.0.1:${String(port)}`], 'breakwater.changes.v1');
    const changes = records.filter(({ key }) => key === `default/${device}`);
    const versions = new Set<number>();
    for (const { value, headers } of changes) {
      const { incarnation, changeNumber, twin, ...head } = JSON.parse(value) as ChangeOfTwin;
      expect(headers).toMatchObject({
        ...{ ce_specversion: '1.0', ce_type: 'breakwater.twinChanged', ce_id: `${incarnation}.${changeNumber}` },
        ce_source: `/tenants/default/devices/${device}`,
      });
      expect(head).toMatchObject({ v: 1, k: 'twinChanged', tenant: 'default', device, version: twin.version });
      versions.add(twin.version);
    }
    expect([...versions].sort((a, b) => b - a)).toEqual(downFrom(version));
  };

  it(
    'carries telemetry, state and desired state',
    async () => {
      const [login] = await client.registerDevices('walker', 1);
      const options = { username: login?.token ?? '', clientId: 'walker-0', reconnectPeriod: 0 };
      const device = await connectDevice(installation.mqttPort, options);
      const received = collect(device);
      await device.subscribeAsync('v1/devices/me/twin/#', { qos: 1 });
      await device.publishAsync('v1/devices/me/telemetry', JSON.stringify({ temp: 21.5 }), { qos: 1 });
      await device.publishAsync('v1/devices/me/twin/reported', JSON.stringify({ fw: '1.0' }), { qos: 1 });
      await until('the twin', async () => (await twinOf(client, 'walker-0')).telemetry['temp']?.value === 21.5);
      expect((await patchTwin(installation, 'walker-0', { desired: { interval: 5 } })).status).toBe(200);
      await until('the delta at the device', () => received.some(({ payload }) => payload['interval'] === 5));
      expect(await twinOf(client, 'walker-0')).toMatchObject({ reported: { fw: '1.0' }, delta: { interval: 5 } });
      await until('the history of it', async () => {
        const history = await historyOf('walker-0');
        return history.some(({ desired, reported }) => desired['interval'] === 5 && reported['fw'] === '1.0');
      });
      await expectInTopic('walker-0', 1);
      expect((await installation.parts()).get('kafka')?.ports).toHaveProperty('kafka');
    },
    TEST_TIMEOUT_MS,
  );

  (temporalProgram() === undefined ? it.skip : it)(
    'gives a command to its device (needs the Temporal CLI)',
    async () => {
      const steps = new CommandSteps(installation);
      await steps.ready();
      const device = await steps.device('ordered', { protocolVersion: 5 });
      device.start();
      await until('the device to listen', () => device.isListening);
      await steps.orderSurely('ordered-0', { method: 'reboot', commandId: 'on-kafka' });
      await steps.reaches('on-kafka', 'SUCCEEDED');
      // What the workflow asks the twin comes by the log too.
      await client.registerDevices('absent', 1);
      await steps.orderSurely('absent-0', { method: 'reboot', commandId: 'too-late', timeoutSeconds: SHORT_SECONDS });
      await steps.reaches('too-late', 'EXPIRED');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'loses and repeats nothing when each part, the broker too, is killed under load',
    async () => {
      let changing = Promise.resolve();
      await exactlyOnceUnderLoad(installation, {
        devices: { prefix: 'storm', count: DEVICES },
        eventsPerSecond: EVENTS_PER_SECOND,
        seconds: LOAD_SECONDS,
        meanwhile: async (load) => {
          changing = changeUntil('storm-0', load);
          for (const part of KILLED) {
            await pause((LOAD_SECONDS * 1_000) / (KILLED.length + 2));
            await killPart(installation, part);
          }
        },
      });
      await expectGood('ledger');
      await expectGood('verify', '--wait-seconds', '1');
      await changing;
      const { version } = await twinOf(client, 'storm-0');
      expect(version).toBeGreaterThanOrEqual(CHANGES_MIN);
      await until('every version to be in the history, the highest first', async () => {
        const history = await historyOf('storm-0');
        expect([...new Set(history.map((twin) => twin.version))]).toEqual(downFrom(version));
        return true;
      });
      await expectInTopic('storm-0', version);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'continues after a stop, and refuses another engine on the same data',
    async () => {
      const before = await twinOf(client, 'storm-1');
      expect(await installation.stop()).toBe(0);
      const { dataDir } = installation;
      await expect(Installation.start({ dataDir, env: { EVENT_LOG: 'redis' } })).rejects.toThrow(
        'come from a log on kafka, and EVENT_LOG is redis',
      );
      installation = await Installation.start({ dataDir, env: { EVENT_LOG: 'kafka' } });
      suite.replacedBy(installation);
      client = new PlatformClient(installation);
      expect((await twinOf(client, 'storm-1')).telemetry).toEqual(before.telemetry);
      expect((await patchTwin(installation, 'storm-1', { desired: { again: true } })).status).toBe(200);
    },
    TEST_TIMEOUT_MS,
  );
});
