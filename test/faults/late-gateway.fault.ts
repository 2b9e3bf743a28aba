import { kafkaAvailable } from '@breakwater/adapter-kafka/testing';
import { type DeviceLogin, type Installation, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';

import { afterThisTest } from '../src/after-this-test.ts';
import { connectDevice } from '../src/connect-device.ts';
import { FurtherGateway } from '../src/gateways/further-gateway.ts';
import { pause, storedRows, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 4;
const LEASE_MS = 4_000;
/** Longer than a device's new gateway waits for the old one, and well within its lease. */
const SHORT_STOP_MS = 2_000;
/** What was written to a socket on this machine is there at once, and what could be appended late would be by then. */
const SURELY_MS = 500;
const SESSION_TAKEN_OVER = 0x8e;
const ENV = { GATEWAY_LEASE_TTL_MS: String(LEASE_MS) };
const CONNECTIONS = /^breakwater_mqtt_connections(?:\{[^}]*\})? (\d+)/m;

/**
 * A gateway that was stopped finds in its sockets what devices sent to it before they turned to another one. The log in
 * Redis refuses it once its lease has run out; Kafka would take whatever it sends (ADR 11).
 */
for (const [name, isThere, env] of [
  ['in Redis', true, { EVENT_LOG: 'redis' }],
  ['on Kafka (needs Java and the jars of Kafka)', kafkaAvailable(), { EVENT_LOG: 'kafka' }],
] as const) {
  (isThere ? describe : describe.skip)(`a gateway that wakes up late, with the log ${name}`, () => {
    let installation: Installation;
    let client: PlatformClient;
    let old: FurtherGateway;

    suiteInstallation(
      async (started, opened) => {
        installation = started;
        client = new PlatformClient(installation);
        old = opened.adopt(await FurtherGateway.start({ installation, env: ENV }), (each) => each.kill());
      },
      { env: { ...ENV, ...env } },
    );

    it(
      'loses a device to another gateway with 0x8E, and the latest report holds',
      async () => {
        const [login] = await client.registerDevices(`moved-${env.EVENT_LOG}`, 1);
        const before = await deviceAt(old.mqttPort, login as DeviceLogin);
        const told = new Promise<number | undefined>((resolve) => {
          before.on('disconnect', ({ reasonCode }) => resolve(reasonCode));
        });
        await report(before, 'old');
        const after = await deviceAt(installation.mqttPort, login as DeviceLogin);
        await report(after, 'new');
        expect(await told).toBe(SESSION_TAKEN_OVER);
        await until('the report', async () => (await stepOf(login)) === 'new');
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'does not overtake the next session of a device within its lease',
      async () => {
        const [login] = await client.registerDevices(`overtaken-${env.EVENT_LOG}`, 1);
        const before = await deviceAt(old.mqttPort, login as DeviceLogin);
        await report(before, 'first');
        stops(old);
        void report(before, 'old').catch(() => undefined);
        await pause(SHORT_STOP_MS);
        const after = await deviceAt(installation.mqttPort, login as DeviceLogin);
        await report(after, 'new');
        await wakesUp();
        expect(await stepOf(login)).toBe('new');
        expect((await twinOf(client, (login as DeviceLogin).id)).presence.connected).toBe(true);
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'appends nothing of what devices have sent again elsewhere when its lease is over',
      async () => {
        const logins = await client.registerDevices(`doubled-${env.EVENT_LOG}`, DEVICES);
        const before = await Promise.all(logins.map((login) => deviceAt(old.mqttPort, login)));
        for (const device of before) await measure(device, 1);
        stops(old);
        for (const device of before) {
          for (const sent of [measure(device, 2), measure(device, 3), report(device, 'old')]) {
            void sent.catch(() => undefined);
          }
        }
        await pause(LEASE_MS + SURELY_MS);
        const after = await Promise.all(logins.map((login) => deviceAt(installation.mqttPort, login)));
        for (const device of after) {
          for (const seq of [2, 3, 4]) await measure(device, seq);
          await report(device, 'new');
        }
        await wakesUp();
        const rows = await storedRows(installation, new Map(logins.map(({ id }) => [id, [1, 2, 3, 4]])));
        expect(rows).toMatchObject({ eventsStored: 4 * DEVICES, lost: 0, duplicated: 0, incomplete: 0, examples: [] });
        for (const login of logins) {
          expect(await stepOf(login)).toBe('new');
          expect((await twinOf(client, login.id)).telemetry['seq']?.value).toBe(4);
        }
      },
      TEST_TIMEOUT_MS,
    );

    /** Until it wakes up, or the test is over. */
    function stops(gateway: FurtherGateway): void {
      gateway.signal('SIGSTOP');
      afterThisTest(() => gateway.signal('SIGCONT'));
    }

    /** Settles when the old gateway has done what it would do with what it found, and all of that is stored. */
    async function wakesUp(): Promise<void> {
      old.signal('SIGCONT');
      await until('the old gateway to have let go of its devices', async () => {
        const answer = await fetch(`http://127.0.0.1:${old.healthPort}/metrics`);
        return CONNECTIONS.exec(await answer.text())?.[1] === '0';
      });
      await until('the old gateway to be ready again', () => old.isReady());
      await pause(SURELY_MS);
      await until('every record to be applied and stored', async () => {
        const { twinLag, writerLag } = await client.ledger();
        return twinLag === 0 && writerLag === 0;
      });
    }

    async function stepOf(login: DeviceLogin | undefined): Promise<unknown> {
      return (await twinOf(client, (login as DeviceLogin).id)).reported['step'];
    }
  });
}

function deviceAt(mqttPort: number, { id, token }: DeviceLogin): Promise<MqttClient> {
  return connectDevice(mqttPort, { username: token, clientId: id, protocolVersion: 5, reconnectPeriod: 0 });
}

/** An event as the row check knows it: five values, its number and the device's own id for it. */
function measure(device: MqttClient, seq: number): Promise<unknown> {
  const values = { seq, t: 20, h: 50, v: 3.6, on: 1 };
  const payload = JSON.stringify({ id: String(seq), ts: Date.now(), values });
  return device.publishAsync('v1/devices/me/telemetry', payload, { qos: 1 });
}

function report(device: MqttClient, step: string): Promise<unknown> {
  return device.publishAsync('v1/devices/me/twin/reported', JSON.stringify({ step }), { qos: 1 });
}
