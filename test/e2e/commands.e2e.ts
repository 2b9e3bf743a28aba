import { execFileSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';
import { type Installation, PlatformClient } from '@breakwater/bench';

import type { CommandAnswer, CommandDevice, CommandDeviceOptions, CommandSight } from '../src/command-device.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { connectDevice } from '../src/connect-device.ts';
import { killPart, pidOf, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { stopPart } from '../src/stop-part.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const PROTOCOLS = [4, 5] as const;
const REFUSED_BY_DEVICE = 0x83;
/** Long enough to be given to a device that listens, short enough to wait for. */
const SHORT_SECONDS = 4;
const THINGSBOARD_FILTER = 'v1/devices/me/rpc/request/+';
const program = temporalProgram();

(program === undefined ? describe.skip : describe)(
  'commands, from the API to the device (needs the Temporal CLI)',
  () => {
    let installation: Installation;
    let steps: CommandSteps;

    suiteInstallation(async (started) => {
      installation = started;
      steps = new CommandSteps(installation);
      await steps.ready();
    });

    type Options = Partial<Omit<CommandDeviceOptions, 'port' | 'token' | 'clientId'>>;

    function deviceOf(name: string, options: Options = {}): Promise<CommandDevice> {
      return steps.device(name, { protocolVersion: 5, ...options });
    }

    async function listening(name: string, options: Options = {}): Promise<CommandDevice> {
      const device = (await deviceOf(name, options)).start();
      await until(`${name} to listen`, () => device.isListening);
      return device;
    }

    async function ordered(device: string, commandId: string, more: object = {}): Promise<void> {
      const { status, body } = await steps.orderSurely(device, { method: 'reboot', commandId, ...more });
      // A device that listens may have done it before the order is answered.
      expect([202, 200]).toContain(status);
      expect({ code: body.code, commandId: body.commandId }).toEqual({ code: undefined, commandId });
    }

    it.each(PROTOCOLS)(
      'are given in order to a device that was away, and report progress and result over MQTT %d',
      async (protocolVersion) => {
        const name = `walker-${protocolVersion}`;
        const device = await deviceOf(name, { protocolVersion });
        const ids = ['first', 'second', 'third'].map((which) => `${name}-${which}`);
        for (const id of ids) await ordered(`${name}-0`, id, { params: { id } });
        expect((await steps.command(ids[0] ?? '')).state).toBe('QUEUED');
        device.hold('progress').start();
        for (const id of ids) expect(await steps.reaches(id, 'DELIVERED')).toMatchObject({ attempts: 1 });
        device.release();
        for (const id of ids) {
          const { transitions, result, progress } = await steps.reaches(id, 'SUCCEEDED');
          expect(progress).toEqual({ percent: 50, note: 'half way' });
          const states = transitions.map(({ state }) => state);
          expect(states).toEqual(['QUEUED', 'SENT', 'DELIVERED', 'IN_PROGRESS', 'SUCCEEDED']);
          const times = transitions.map(({ at }) => at);
          expect(times).toEqual([...times].sort((one, other) => one - other));
          expect(result).toEqual({ did: 'reboot' });
          await steps.closes(`${name}-0`, id, 'SUCCEEDED');
        }
        expect(device.sights.map(({ id }) => id)).toEqual(ids);
        expect(device.sights.map(({ params }) => params)).toEqual(ids.map((id) => ({ id })));
        const { properties } = device.sights[0]?.packet ?? {};
        if (protocolVersion === 4) return;
        expect(properties).toMatchObject({
          responseTopic: `v1/devices/me/commands/${ids[0]}/response`,
          correlationData: Buffer.from(ids[0] ?? ''),
          messageExpiryInterval: expect.any(Number),
        });
      },
      TEST_TIMEOUT_MS,
    );

    it.each(PROTOCOLS)(
      'reach firmware of ThingsBoard by number over MQTT %d',
      async (protocolVersion) => {
        const name = `tb-${protocolVersion}`;
        const answer = ({ id, method, params }: CommandSight): CommandAnswer => ({
          topic: `v1/devices/me/rpc/response/${id}`,
          payload: { method, params },
        });
        const device = await listening(name, { protocolVersion, filters: [THINGSBOARD_FILTER], answer });
        await ordered(`${name}-0`, `${name}-one`, { method: 'setGpio', params: { pin: 7 } });
        const { result } = await steps.reaches(`${name}-one`, 'SUCCEEDED');
        expect(result).toEqual({ method: 'setGpio', params: { pin: 7 } });
        expect(device.sights.map(({ id }) => id)).toEqual(['1']);
        await steps.closes(`${name}-0`, `${name}-one`, 'SUCCEEDED');
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'reach the child of a gateway device',
      async () => {
        const { body } = await steps.request<{ token: string }>('POST', 'devices', { id: 'hub', isGateway: true });
        const hub = steps.knownDevice({
          ...{ token: body.token, clientId: 'hub', protocolVersion: 5 },
          filters: ['v1/gateway/rpc'],
          answer: ({ id, method }) => ({
            topic: 'v1/gateway/rpc',
            payload: { device: 'room:1', id: Number(id), data: { did: method } },
          }),
        });
        hub.start();
        await until('the hub to listen', () => hub.isListening);
        hub.publish('v1/gateway/connect', { device: 'room:1' });
        const client = new PlatformClient(installation);
        await until('the child to be there', async () => (await twinOf(client, 'room:1')).presence.connected);
        await ordered('room:1', 'child-command');
        expect((await steps.reaches('child-command', 'SUCCEEDED')).result).toEqual({ did: 'reboot' });
        expect(hub.sights).toHaveLength(1);
        await steps.closes('room:1', 'child-command', 'SUCCEEDED');
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'end by what the device says: rejected, failed, refused by its PUBACK',
      async () => {
        const says = (status: string) => ({
          answer: ({ id }: CommandSight): CommandAnswer => ({
            topic: `v1/devices/me/commands/${id}/response`,
            payload: { status, reason: 'door is open' },
          }),
        });
        await Promise.all([
          listening('rejecting', says('REJECTED')),
          listening('failing', says('FAILED')),
          listening('refusing', { onSight: () => REFUSED_BY_DEVICE }),
        ]);
        const ends = { rejecting: 'REJECTED', failing: 'FAILED', refusing: 'REJECTED' };
        for (const [name, state] of Object.entries(ends)) {
          await ordered(`${name}-0`, `${name}-one`);
          const { transitions } = await steps.reaches(`${name}-one`, state);
          expect(transitions.at(-1)?.reason).toContain(name === 'refusing' ? '0x83' : 'door is open');
          await steps.closes(`${name}-0`, `${name}-one`, state);
        }
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'end by their deadline: never sent, sent to a mute device, delivered and not answered; a late answer is kept',
      async () => {
        const [mute, silent] = await Promise.all([
          listening('mute', { onSight: () => null }),
          listening('silent'),
          deviceOf('absent'),
        ]);
        silent.hold('answer');
        const names = ['mute', 'silent', 'absent'] as const;
        await Promise.all(
          names.map((name) =>
            ordered(`${name}-0`, `${name}-one`, { timeoutSeconds: SHORT_SECONDS, retry: { attempts: 1 } }),
          ),
        );
        expect(await steps.reaches('absent-one', 'EXPIRED')).toMatchObject({ attempts: 0 });
        expect(await steps.reaches('mute-one', 'TIMED_OUT')).toMatchObject({ deliveryUnknown: true });
        expect(await steps.reaches('silent-one', 'TIMED_OUT')).not.toHaveProperty('deliveryUnknown');
        expect(mute.sights.length).toBeGreaterThan(0);
        await steps.closes('absent-0', 'absent-one', 'EXPIRED');
        for (const name of ['mute', 'silent']) await steps.closes(`${name}-0`, `${name}-one`, 'TIMED_OUT');
        silent.release();
        await until('the late answer', async () => (await steps.command('silent-one')).late?.state === 'SUCCEEDED');
        expect((await steps.command('silent-one')).state).toBe('TIMED_OUT');
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'are canceled: freely before they are sent, by force after it, and from Temporal',
      async () => {
        const device = await deviceOf('canceled');
        await ordered('canceled-0', 'canceled-early');
        await ordered('canceled-0', 'canceled-there');
        expect((await steps.cancel('canceled-early')).body.state).toBe('CANCELED');
        const workflow = ['--workflow-id', 'cmd/default/canceled-0/canceled-there', '--namespace', 'breakwater'];
        const grpc = (await installation.parts()).get('temporal')?.ports['grpc'];
        execFileSync(program ?? '', ['workflow', 'cancel', ...workflow, '--address', `127.0.0.1:${String(grpc)}`]);
        await steps.reaches('canceled-there', 'CANCELED');
        await steps.closes('canceled-0', 'canceled-early', 'CANCELED');
        await steps.closes('canceled-0', 'canceled-there', 'CANCELED', 'Canceled');

        device.hold('progress').start();
        await ordered('canceled-0', 'canceled-late');
        await steps.reaches('canceled-late', 'DELIVERED');
        const refused = await steps.cancel('canceled-late');
        expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 409, code: 'COMMAND_SENT' });
        const forced = await steps.cancel('canceled-late', { force: true, reason: 'wrong device' });
        expect(forced.body).toMatchObject({ state: 'CANCELED', mayHaveRun: true });
        await steps.closes('canceled-0', 'canceled-late', 'CANCELED');
        expect(device.sights.map(({ id }) => id)).toEqual(['canceled-late']);
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'are in ClickHouse, and join with telemetry by device and time',
      async () => {
        const device = await listening('measured');
        await ordered('measured-0', 'measured-one');
        await steps.reaches('measured-one', 'SUCCEEDED');
        device.publish('v1/devices/me/telemetry', { temp: 21.5 });
        // Changes of one moment have the same time: their place in the log orders them.
        const query = `SELECT command, state, value AS temp FROM telemetry AS t
        JOIN (
          SELECT device_id, command_id AS command, argMax(state, (ts, log_offset)) AS state, max(ts) AS ended
          FROM command_history GROUP BY device_id, command_id
        ) AS c ON t.device_id = c.device_id
        WHERE t.device_id = 'measured-0' AND t.key = 'temp' AND t.ts >= c.ended`;
        await until('the telemetry with the command before it', async () => {
          const rows = await steps.rows<{ command: string; state: string; temp: number }>(query);
          expect(rows).toEqual([{ command: 'measured-one', state: 'SUCCEEDED', temp: 21.5 }]);
          return true;
        });
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'are refused while Temporal is away and events flow, and go on when it is back',
      async () => {
        const device = await listening('patient');
        device.hold('progress');
        await ordered('patient-0', 'patient-before');
        await steps.reaches('patient-before', 'DELIVERED');
        const before = await pidOf(installation, 'temporal');
        await stopPart(installation, 'temporal');
        const refused = await steps.order('patient-0', { method: 'reboot', commandId: 'patient-during' });
        expect({ status: refused.status, code: refused.body.code }).toEqual({
          status: 503,
          code: 'COMMANDS_UNAVAILABLE',
        });
        const mqtt = await connectDevice(installation.mqttPort, await loginOf('flowing'));
        await mqtt.publishAsync('v1/devices/me/telemetry', JSON.stringify({ alive: 1 }), { qos: 1 });
        const client = new PlatformClient(installation);
        await until('events to flow', async () => (await twinOf(client, 'flowing-0')).telemetry['alive']?.value === 1);
        // What is under way ends without Temporal, too; its workflow hears of it later.
        device.release();
        await steps.reaches('patient-before', 'SUCCEEDED');
        await killPart(installation, 'temporal');
        await until('another Temporal', async () => (await pidOf(installation, 'temporal')) !== before);
        await steps.ready();
        await steps.closes('patient-0', 'patient-before', 'SUCCEEDED');
        await steps.orderSurely('patient-0', { method: 'reboot', commandId: 'patient-during' });
        await steps.reaches('patient-during', 'SUCCEEDED');
        await steps.closes('patient-0', 'patient-during', 'SUCCEEDED');
        expect([...device.runs.values()]).toEqual([1, 1]);
      },
      TEST_TIMEOUT_MS,
    );

    async function loginOf(name: string): Promise<{ readonly username: string }> {
      const [login] = await new PlatformClient(installation).registerDevices(name, 1);
      return { username: login?.token ?? '' };
    }
  },
);
