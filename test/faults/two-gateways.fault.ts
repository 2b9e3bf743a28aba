import { kafkaAvailable } from '@breakwater/adapter-kafka/testing';
import { type DeviceLogin, type Installation, type LoadGenerator, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';

import type { CommandDevice } from '../src/command-device.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { FurtherGateway } from '../src/gateways/further-gateway.ts';
import { LoadBalancer, loadBalancerAvailable } from '../src/gateways/load-balancer.ts';
import { openLoad } from '../src/open-load.ts';
import { expectExactlyOnce, patchTwin, pause, pidOf, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 60;
const EVENTS_PER_SECOND = 400;
/** Between two faults: long enough that devices are where they are sent, and send there. */
const STEP_MS = 1_500;
const LEASE_MS = 4_000;
/** So often the gateways are ready, or not, for the load balancer. */
const NOTICE_MS = 500;
const TIMEOUT_SECONDS = 600;
const ENV = {
  GATEWAY_LEASE_TTL_MS: String(LEASE_MS),
  GATEWAY_DRAIN_NOTICE_MS: String(NOTICE_MS),
  GATEWAY_DRAIN_CONNECTIONS_PER_SECOND: '100',
};

const withTemporal = temporalProgram() === undefined ? it.skip : it;

for (const [name, isThere, eventLog] of [
  ['in Redis', true, 'redis'],
  ['on Kafka (needs Java and the jars of Kafka)', kafkaAvailable(), 'kafka'],
] as const) {
  const suite = isThere && loadBalancerAvailable() ? describe : describe.skip;

  suite(`two gateways behind a load balancer (needs haproxy), with the log ${name}`, () => {
    let installation: Installation;
    let second: FurtherGateway;
    let balancer: LoadBalancer;

    suiteInstallation(
      async (started, opened) => {
        installation = started;
        second = opened.adopt(await FurtherGateway.start({ installation, env: ENV }), (each) => each.kill());
        const first = { mqttPort: installation.mqttPort, healthPort: await healthPort() };
        balancer = opened.adopt(await LoadBalancer.start([first, second]), (each) => each.stop());
      },
      { env: { ...ENV, EVENT_LOG: eventLog } },
    );

    withTemporal(
      'gives a device that moves its command where it is now (needs the Temporal CLI)',
      async () => {
        const mover = await deviceWithCommand('mover', installation.mqttPort);
        mover.before.stop();
        await runsOnceAt(second.mqttPort, mover);
      },
      TEST_TIMEOUT_MS,
    );

    withTemporal(
      'gives a device whose gateway is killed its command at another one (needs the Temporal CLI)',
      async () => {
        const orphan = await deviceWithCommand('orphan', second.mqttPort);
        await second.kill();
        orphan.before.stop();
        await runsOnceAt(installation.mqttPort, orphan);
        await second.startAgain();
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'loses nothing and calls nobody away when one is killed, and when they are restarted in turn',
      async () => {
        const client = new PlatformClient(installation);
        const logins = await client.registerDevices('balanced', DEVICES);
        const generator = await openLoad({ mqttPort: balancer.port }, logins);
        const events = await loadWhile(generator, endInTurn());
        const endedAtMs = performance.now();
        expect(await generator.settle(TEST_TIMEOUT_MS)).toBe(0);
        await expectExactlyOnce(installation, generator, events);
        // Long enough that whatever would still be said of the gateways that are gone has been said.
        await pause(Math.max(0, 2 * LEASE_MS - (performance.now() - endedAtMs)));
        const twins = await Promise.all(logins.map(({ id }) => twinOf(client, id)));
        expect(twins.filter(({ presence }) => !presence.connected)).toEqual([]);
        expect(await patchTwin(installation, 'balanced-0', { desired: { a: 1 } })).toMatchObject({ status: 200 });
      },
      TEST_TIMEOUT_MS,
    );

    interface Ordered {
      readonly login: DeviceLogin;
      readonly commandId: string;
      readonly before: CommandDevice;
    }

    /** It has been sent its command, and has not said so. */
    async function deviceWithCommand(prefix: string, port: number): Promise<Ordered> {
      const steps = new CommandSteps(installation);
      await steps.ready();
      const [login] = (await new PlatformClient(installation).registerDevices(prefix, 1)) as [DeviceLogin];
      const before = deviceAt(port, login);
      before.hold('puback').start();
      await until('the device to listen', () => before.isListening);
      const commandId = `of-${login.id}`;
      await steps.orderSurely(login.id, { commandId, method: 'move', timeoutSeconds: TIMEOUT_SECONDS });
      await until('the command to be sent', () => before.sights.length > 0);
      return { login, commandId, before };
    }

    async function runsOnceAt(port: number, { login, commandId }: Ordered): Promise<void> {
      const after = deviceAt(port, login);
      after.start();
      await until('the device to listen at the other gateway', () => after.isListening);
      await new CommandSteps(installation).reaches(commandId, 'SUCCEEDED');
      expect(after.runs.get(commandId)).toBe(1);
      expect((await twinOf(new PlatformClient(installation), login.id)).presence.connected).toBe(true);
    }

    function deviceAt(port: number, { id, token }: DeviceLogin): CommandDevice {
      return new CommandSteps(installation).knownDevice({ port, token, clientId: id, protocolVersion: 5 });
    }

    /** One is killed and comes back, then the other is restarted: half of the devices move, and then all of them. */
    async function endInTurn(): Promise<void> {
      await pause(STEP_MS);
      await second.kill();
      await pause(STEP_MS);
      await second.startAgain();
      await pause(STEP_MS);
      // It has few devices now; with one log it is seen that this calls none of them away.
      if (eventLog === 'redis') await restartSecond();
      await restartFirst();
    }

    async function restartSecond(): Promise<void> {
      const ended = second.end('SIGTERM');
      await until('it to say that it is not ready', async () => !(await second.isReady()));
      expect(await ended).toBe(0);
      await second.startAgain();
    }

    async function restartFirst(): Promise<void> {
      const pid = await pidOf(installation, 'gateway');
      process.kill(pid, 'SIGTERM');
      await until('it to be back', async () => (await pidOf(installation, 'gateway')) !== pid);
    }

    async function healthPort(): Promise<number> {
      return (await installation.parts()).get('gateway')?.ports['metrics'] as number;
    }
  });
}

/** Sends events all the time until it is over, and answers how many. */
async function loadWhile(generator: LoadGenerator, faults: Promise<void>): Promise<number> {
  let isOver = false;
  let seconds = 0;
  const load = async (): Promise<void> => {
    for (; !isOver; seconds += 1) await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: 1 }]);
  };
  await Promise.all([load(), faults.finally(() => (isOver = true))]);
  return seconds * EVENTS_PER_SECOND;
}
