import { type Installation, PlatformClient } from '@breakwater/bench';
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
const LOAD_SECONDS = 16;
const LEASE_MS = 4_000;
/** So often the gateways are ready, or not, for the load balancer. */
const NOTICE_MS = 500;
const TIMEOUT_SECONDS = 600;
const ENV = {
  GATEWAY_LEASE_TTL_MS: String(LEASE_MS),
  GATEWAY_DRAIN_NOTICE_MS: String(NOTICE_MS),
  GATEWAY_DRAIN_CONNECTIONS_PER_SECOND: '100',
};

const withBalancer = loadBalancerAvailable() ? describe : describe.skip;
const withTemporal = temporalProgram() === undefined ? it.skip : it;

withBalancer('two gateways behind a load balancer (needs haproxy)', () => {
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
    { env: ENV },
  );

  const healthPort = async (): Promise<number> =>
    (await installation.parts()).get('gateway')?.ports['metrics'] as number;

  withTemporal(
    'gives a device that moves its desired state and its command where it is now (needs the Temporal CLI)',
    async () => {
      const steps = new CommandSteps(installation);
      await steps.ready();
      const [login] = await new PlatformClient(installation).registerDevices('mover', 1);
      const deviceAt = (port: number): CommandDevice =>
        steps.knownDevice({ port, token: login?.token ?? '', clientId: 'mover-0', protocolVersion: 5 });
      const before = deviceAt(installation.mqttPort);
      before.hold('puback').start();
      await until('the device to listen', () => before.isListening);
      const commandId = 'moves-with-its-device';
      await steps.orderSurely('mover-0', { commandId, method: 'move', timeoutSeconds: TIMEOUT_SECONDS });
      await until('the command to be sent', () => before.sights.length > 0);
      const after = deviceAt(second.mqttPort);
      before.stop();
      after.start();
      await until('the device to listen at the other gateway', () => after.isListening);
      await until('the command to end', async () => (await steps.command(commandId)).state === 'SUCCEEDED');
      expect(after.runs.get(commandId)).toBe(1);
      expect((await twinOf(new PlatformClient(installation), 'mover-0')).presence.connected).toBe(true);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'loses nothing and calls nobody away when one is killed, and when both are restarted in turn',
    async () => {
      const client = new PlatformClient(installation);
      const logins = await client.registerDevices('balanced', DEVICES);
      const generator = await openLoad({ mqttPort: balancer.port }, logins);
      const run = generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
      await pause(1_500);
      await second.kill();
      await pause(1_500);
      await second.startAgain();
      await pause(1_500);
      // The rolling restart: first the one, then the other.
      const ended = second.end('SIGTERM');
      await until('it to say that it is not ready', async () => !(await second.isReady()));
      expect(await ended).toBe(0);
      await second.startAgain();
      const pid = await pidOf(installation, 'gateway');
      process.kill(pid, 'SIGTERM');
      await until('the other to be back', async () => (await pidOf(installation, 'gateway')) !== pid);
      await run;
      expect(await generator.settle(TEST_TIMEOUT_MS)).toBe(0);
      await expectExactlyOnce(installation, generator, EVENTS_PER_SECOND * LOAD_SECONDS);
      // Long enough that whatever would still be said of the gateways that are gone has been said.
      await pause(2 * LEASE_MS);
      const connected = await Promise.all(logins.map(async ({ id }) => (await twinOf(client, id)).presence.connected));
      expect(connected.filter((isConnected) => !isConnected)).toEqual([]);
      expect(await patchTwin(installation, 'balanced-0', { desired: { a: 1 } })).toMatchObject({ status: 200 });
    },
    TEST_TIMEOUT_MS,
  );
});
