import { describe, expect, it } from '@jest/globals';
import type { Installation } from '@breakwater/bench';

import type { CommandDevice, CommandDeviceOptions, DeviceStep } from '../src/command-device.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

/** `npm run test:faults` sets it: every cell in every variant. `npm test` runs each cell once. */
const WHOLE = process.env['FAULTS'] === 'whole';

const RETRY = { attempts: 20, initialMs: 1_000, maxMs: 5_000 };
/** Far beyond any test: no command here may end by its deadline. */
const TIMEOUT_SECONDS = 3_600;
/** Long enough that what was written before is on its way. */
const SOON_MS = 100;
/** About as often as words about one command are told to its workflow. */
const TALK_MS = 100;

/** Where each command stands when the fault strikes, and what its device holds back for that. */
const STANDS = [
  { name: 'queued', state: 'QUEUED', holds: null },
  { name: 'sent', state: 'SENT', holds: 'puback' },
  { name: 'delivered', state: 'DELIVERED', holds: 'progress' },
  { name: 'in-progress', state: 'IN_PROGRESS', holds: 'answer' },
  /** Its device answers in the moment of the fault. */
  { name: 'answered', state: 'IN_PROGRESS', holds: 'answer' },
] as const satisfies readonly { name: string; state: string; holds: DeviceStep | null }[];

type Stand = (typeof STANDS)[number];

const PARTS = ['api', 'gateway', 'twin-worker', 'temporal-worker', 'temporal', 'redis'] as const;
/** Devices go on while the part is away, or only when it is back. */
const MOMENTS = WHOLE ? (['away', 'back'] as const) : (['away'] as const);
const PROTOCOLS = WHOLE ? ([4, 5] as const) : ([5] as const);

/** A test that is not part of this run: it is no skipped one either. */
const unregistered: (...test: Parameters<typeof it>) => void = () => undefined;

interface Cell {
  readonly stand: Stand;
  readonly deviceId: string;
  readonly commandId: string;
  readonly device: CommandDevice;
}

const program = temporalProgram();

(program === undefined ? describe.skip : describe)('a command under way (needs the Temporal CLI)', () => {
  let installation: Installation;
  let steps: CommandSteps;

  suiteInstallation(async (started) => {
    installation = started;
    steps = new CommandSteps(installation);
    await steps.ready();
  });

  const cases = PARTS.flatMap((part) =>
    MOMENTS.flatMap((moment) => PROTOCOLS.map((version) => ({ part, moment, version }))),
  );

  it.each(cases)(
    'ends as it should in every state when $part is killed; devices go on when it is $moment; MQTT $version',
    async ({ part, moment, version }) => {
      const cells = await Promise.all(STANDS.map((stand) => begin(stand, `${part}-${moment}-${version}`, version)));
      for (const { device, stand } of cells) if (stand.name === 'answered') device.release();
      const wereThere = await killAll(part);
      if (moment === 'back') await areBack(wereThere);
      for (const { device } of cells) {
        device.release();
        device.start();
      }
      await Promise.all(cells.map(endsWell));
      await areBack(wereThere);
    },
    TEST_TIMEOUT_MS,
  );

  it.each([4, 5] as const)(
    'is carried out once by a device that leaves before, between and after PUBACK and answer; MQTT %d',
    async (protocolVersion) => {
      const gone = new Set<string>();
      /** Does it at the first sight only: a device that always left would never end. */
      const once = (id: string, what: () => void): void => {
        if (gone.has(id)) return;
        gone.add(id);
        what();
      };
      const leavers: Readonly<Record<string, NonNullable<CommandDeviceOptions['onSight']>>> = {
        'before-puback': ({ id }, device) => {
          const isFirst = !gone.has(id);
          once(id, () => device.drop());
          return isFirst ? null : 0;
        },
        'after-puback': ({ id }, device) => {
          once(id, () => {
            device.hold('progress');
            setTimeout(() => {
              device.drop();
              device.release();
            }, SOON_MS);
          });
          return 0;
        },
        'before-answer': ({ id }, device) => {
          once(id, () => {
            device.hold('answer');
            setTimeout(() => {
              device.drop();
              device.release();
            }, SOON_MS);
          });
          return 0;
        },
        'after-answer': ({ id }, device) => {
          once(id, () => setImmediate(() => device.drop()));
          return 0;
        },
      };
      const kept = protocolVersion === 5 ? [0, 300] : [0];
      const cells = kept.flatMap((sessionSeconds) =>
        Object.entries(leavers).map(async ([name, onSight]) => {
          const prefix = `leaves-${name}-${protocolVersion}-${sessionSeconds}`;
          const device = (await steps.device(prefix, { protocolVersion, sessionSeconds, onSight })).start();
          await until(`${prefix} to listen`, () => device.isListening);
          const cell = { stand: STANDS[0], deviceId: `${prefix}-0`, commandId: `${prefix}-command`, device };
          const order = { method: 'reboot', timeoutSeconds: TIMEOUT_SECONDS, retry: RETRY, commandId: cell.commandId };
          await steps.orderSurely(cell.deviceId, order);
          await endsWell(cell);
          expect(gone.has(cell.commandId)).toBe(true);
        }),
      );
      await Promise.all(cells);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is not moved by answers that come twice, late, or for another command',
    async () => {
      const device = await steps.device('babbler', { protocolVersion: 5 });
      device.hold('progress').start();
      await until('the babbler to listen', () => device.isListening);
      const order = { method: 'reboot', timeoutSeconds: TIMEOUT_SECONDS, commandId: 'babbler-one' };
      await steps.orderSurely('babbler-0', order);
      await steps.orderSurely('babbler-0', { ...order, commandId: 'babbler-two' });
      await Promise.all(['babbler-one', 'babbler-two'].map((id) => steps.reaches(id, 'DELIVERED')));
      const say = (id: string, status: string): void =>
        device.publish(`v1/devices/me/commands/${id}/response`, { status, result: { said: status } });
      say('no-such-command', 'SUCCEEDED');
      say('babbler-one', 'FAILED');
      say('babbler-one', 'FAILED');
      say('babbler-one', 'SUCCEEDED');
      await until('the second answer to be kept as late', async () => {
        return (await steps.command('babbler-one')).late?.state === 'SUCCEEDED';
      });
      expect(await steps.command('babbler-one')).toMatchObject({ state: 'FAILED', result: { said: 'FAILED' } });
      expect((await steps.command('babbler-two')).state).toBe('DELIVERED');
      await steps.closes('babbler-0', 'babbler-one', 'FAILED');
      say('babbler-two', 'SUCCEEDED');
      await steps.reaches('babbler-two', 'SUCCEEDED');
      await steps.closes('babbler-0', 'babbler-two', 'SUCCEEDED');
      const refused = `SELECT code FROM dead_letters WHERE device_id = 'babbler-0'`;
      await until('the answer to no command to be a dead letter', async () => {
        const codes = (await steps.rows<{ code: string }>(refused)).map(({ code }) => code);
        return codes.length === 1 && codes[0] === 'COMMAND_NOT_FOUND';
      });
    },
    TEST_TIMEOUT_MS,
  );

  // Two minutes long, and the machinery behind it is Temporal's own.
  const itWhenWhole = WHOLE ? it : unregistered;
  itWhenWhole(
    'may report its progress for longer than one run of a workflow can hold',
    async () => {
      const device = await steps.device('talker', { protocolVersion: 5 });
      device.hold('answer').start();
      await until('the talker to listen', () => device.isListening);
      const order = { method: 'reboot', timeoutSeconds: TIMEOUT_SECONDS, commandId: 'talker-command' };
      await steps.orderSurely('talker-0', order);
      let percent = 0;
      const talk = setInterval(() => {
        percent = (percent + 1) % 100;
        device.publish('v1/devices/me/commands/talker-command/progress', { percent });
      }, TALK_MS);
      try {
        for (let waits = 0; waits < 2; waits++) {
          const runs = `DeviceId="talker-0" AND ExecutionStatus="ContinuedAsNew"`;
          const goesOn = async (): Promise<boolean> => (await steps.workflows(runs)).length > 0;
          await until('the next run to take over', goesOn).catch((error: unknown) => {
            if (waits > 0) throw error;
          });
        }
      } finally {
        clearInterval(talk);
      }
      device.release();
      await steps.reaches('talker-command', 'SUCCEEDED');
      await steps.closes('talker-0', 'talker-command', 'SUCCEEDED');
    },
    TEST_TIMEOUT_MS,
  );

  /** Orders one command and brings it to where it is to stand. */
  async function begin(stand: Stand, name: string, protocolVersion: 4 | 5): Promise<Cell> {
    const prefix = `${name}-${stand.name}`;
    const device = await steps.device(prefix, { protocolVersion });
    const cell = { stand, deviceId: `${prefix}-0`, commandId: `${prefix}-command`, device };
    if (stand.holds !== null) {
      device.hold(stand.holds).start();
      await until(`${prefix} to listen`, () => device.isListening);
    }
    const order = { method: 'reboot', timeoutSeconds: TIMEOUT_SECONDS, retry: RETRY, commandId: cell.commandId };
    await steps.orderSurely(cell.deviceId, order);
    await steps.reaches(cell.commandId, stand.state);
    return cell;
  }

  /** SIGKILL for every process of the part; answers the ids of those that were killed. */
  async function killAll(part: string): Promise<ReadonlyMap<string, number>> {
    const killed = new Map<string, number>();
    for (const [name, { pid }] of await installation.parts()) {
      if (name !== part && !name.startsWith(`${part}-`)) continue;
      // `temporal` is the server; its worker is another part.
      if (part === 'temporal' && name !== 'temporal') continue;
      process.kill(pid, 'SIGKILL');
      killed.set(name, pid);
    }
    expect(killed.size).toBeGreaterThan(0);
    return killed;
  }

  async function areBack(killed: ReadonlyMap<string, number>): Promise<void> {
    await until('what was killed to be there again', async () => {
      const parts = await installation.parts();
      return [...killed].every(([name, pid]) => (parts.get(name)?.pid ?? pid) !== pid);
    });
    await steps.ready();
  }

  async function endsWell({ device, deviceId, commandId }: Cell): Promise<void> {
    const { transitions, result } = await steps.reaches(commandId, 'SUCCEEDED');
    expect(result).toEqual({ did: 'reboot' });
    expect(transitions.filter(({ state }) => state === 'SUCCEEDED')).toHaveLength(1);
    expect(transitions.at(-1)?.state).toBe('SUCCEEDED');
    expect([...device.runs]).toEqual([[commandId, 1]]);
    expect(new Set(device.sights.map(({ id }) => id))).toEqual(new Set([commandId]));
    await steps.closes(deviceId, commandId, 'SUCCEEDED');
    const ends = `SELECT uniqExact(change_id) AS ends FROM command_history
      WHERE device_id = '${deviceId}' AND command_id = '${commandId}' AND state = 'SUCCEEDED'`;
    await until(`the end of ${commandId} in the history`, async () => {
      const [row] = await steps.rows<{ ends: string | number }>(ends);
      return Number(row?.ends) === 1;
    });
    device.stop();
  }
});
