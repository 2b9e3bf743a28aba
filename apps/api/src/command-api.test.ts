import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { COMMAND_LIMITS, type CommandState, type TenantId, type TwinCommand } from '@breakwater/twin';

import { ControlWriter } from './services/control-writer.ts';
import { type Answer, type Loose, MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const platform = new MemoryPlatform({ writesInFlightMax: 1_000 });
let appended: jest.SpiedFunction<ControlWriter['append']>;
beforeAll(async () => {
  await platform.start();
  appended = jest.spyOn(platform.app.get(ControlWriter), 'append');
});
afterAll(() => platform.stop());

const REBOOT = { method: 'reboot', params: { delayMs: 500 } };
const BIG_PARAMS = { blob: 'x'.repeat(COMMAND_LIMITS.paramsBytesMax) };

function order(id: string, body: unknown = REBOOT, headers: Record<string, string> = {}): Promise<Answer> {
  return platform.request('POST', `/api/v1/devices/${id}/commands`, { body, headers });
}

function read(commandId: string): Promise<Answer> {
  return platform.request('GET', `/api/v1/commands/${commandId}`);
}

function cancel(commandId: string, body?: unknown): Promise<Answer> {
  return platform.request('POST', `/api/v1/commands/${commandId}:cancel`, body === undefined ? {} : { body });
}

/** A device that is connected, listens to commands and has taken what it was given. */
async function connect(id: string): Promise<void> {
  await platform.device(id);
  await platform.tellTwin(id, { kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' });
  await platform.tellTwin(id, { kind: 'commandsSubscribed' });
}

async function reached(commandId: string, state: CommandState): Promise<Answer> {
  for (;;) {
    const answer = await read(commandId);
    if (answer.body.state === state) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function eventually(ask: () => Promise<Answer>, status: number): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (answer.status === status) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** How often the twin of a device was ordered this: the API, or a workflow, said so. */
function ordersOf(commandId: string): number {
  return appended.mock.calls.filter(([, message]) => message.kind === 'orderCommand' && message.commandId === commandId)
    .length;
}

const statesOf = ({ body }: Answer): string[] => body.transitions.map(({ state }: Loose) => state);

describe('ordering a command', () => {
  it('answers 202 when the twin has it, and names it', async () => {
    await platform.device('ordered');
    const answer = await order('ordered', { ...REBOOT, commandId: 'c1', timeoutSeconds: 60 });
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe('/api/v1/commands/c1');
    expect(answer.body).toMatchObject({
      commandId: 'c1',
      deviceId: 'ordered',
      ...REBOOT,
      state: 'QUEUED',
      attempts: 0,
      transitions: [{ state: 'QUEUED' }],
    });
    expect(answer.body.deadline - answer.body.orderedAt).toBeGreaterThan(50_000);
    expect((await read('c1')).body).toEqual(answer.body);
    expect(platform.commandWorkflows.started.get('default/ordered/c1')).toMatchObject({ version: 1, ...REBOOT });
  });

  it('takes the same order again for the same command, and refuses another one under its id', async () => {
    await platform.device('again');
    const first = await order('again', { ...REBOOT, commandId: 'again-1' });
    const second = await order('again', { ...REBOOT, commandId: 'again-1' });
    expect(second).toMatchObject({ status: 202, body: first.body });
    const other = await order('again', { method: 'other', commandId: 'again-1' });
    expect(other).toMatchObject({ status: 409, body: { code: 'COMMAND_CONFLICT' } });
    await platform.device('again-too');
    const elsewhere = await order('again-too', { ...REBOOT, commandId: 'again-1' });
    expect(elsewhere).toMatchObject({ status: 409, body: { code: 'COMMAND_CONFLICT' } });
  });

  it('knows a command by its Idempotency-Key', async () => {
    await platform.device('keyed');
    const headers = { 'idempotency-key': 'key one?' };
    const refused = await order('keyed', REBOOT, headers);
    expect(refused.status).toBe(400);
    const first = await order('keyed', REBOOT, { 'idempotency-key': 'key/one?' });
    expect(first.status).toBe(202);
    expect((await order('keyed', REBOOT, { 'idempotency-key': 'key/one?' })).body).toEqual(first.body);
    expect((await order('keyed', { method: 'other' }, { 'idempotency-key': 'key/one?' })).status).toBe(409);
    expect((await read(first.body.commandId)).status).toBe(200);
  });

  it.each([
    ['a misspelt member', { method: 'a', deadlin: 1 }, 400],
    ['no method', {}, 400],
    ['an empty method', { method: '' }, 400],
    ['an id with a slash', { method: 'a', commandId: 'a/b' }, 400],
    ['two deadlines', { method: 'a', deadline: 4_000_000_000_000, timeoutSeconds: 1 }, 400],
    ['no attempts at all', { method: 'a', retry: { attempts: 0 } }, 400],
    ['a deadline in the past', { method: 'a', deadline: 1 }, 422],
    ['a deadline too far ahead', { method: 'a', deadline: 4_000_000_000_000 }, 422],
    ['params that are too large', { method: 'a', params: BIG_PARAMS }, 422],
    ['params that are too deep', { method: 'a', params: [[[[[[[[[1]]]]]]]]] }, 422],
  ])('refuses %s', async (_what, body, status) => {
    await platform.device(`bad-${_what.replaceAll(' ', '-')}`);
    expect(await order(`bad-${_what.replaceAll(' ', '-')}`, body)).toMatchObject({ status });
  });

  it('answers 404 for a device that there is not, and for a command of another tenant', async () => {
    expect((await order('nobody')).status).toBe(404);
    await platform.device('mine');
    const { body } = await order('mine');
    const key = await platform.tenant('commands-other');
    expect((await platform.request('GET', `/api/v1/commands/${body.commandId}`, { key })).status).toBe(404);
    const canceled = await platform.request('POST', `/api/v1/commands/${body.commandId}:cancel`, { key });
    expect(canceled.status).toBe(404);
  });

  it('refuses more than may wait for one device, and takes the id again when there is room', async () => {
    await platform.device('full');
    const all = Array.from({ length: COMMAND_LIMITS.pendingMax + 20 }, (_, at) =>
      order('full', { method: 'm', commandId: `full-${at}` }),
    );
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(COMMAND_LIMITS.pendingMax);
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
    const refused = statuses.indexOf(429);
    await cancel(`full-${statuses.indexOf(202)}`);
    // Where its workflow was started it fails, and may be started again then.
    platform.commandWorkflows.started.delete(`default/full/full-${refused}`);
    expect((await order('full', { method: 'm', commandId: `full-${refused}` })).status).toBe(202);
  });

  it('answers 503 while workflows cannot be started, and has ordered nothing', async () => {
    await platform.device('unlucky');
    platform.commandWorkflows.isAway = true;
    try {
      const answer = await order('unlucky', { ...REBOOT, commandId: 'unlucky-1' });
      expect(answer).toMatchObject({ status: 503, body: { code: 'COMMANDS_UNAVAILABLE' } });
      expect(answer.headers['retry-after']).toBeDefined();
      expect(answer.body.commandId).toBe('unlucky-1');
      expect((await read('unlucky-1')).status).toBe(404);
      // The engine may have taken it: nobody else gets this id.
      expect((await order('unlucky', { method: 'other', commandId: 'unlucky-1' })).status).toBe(409);
      // Refused at once, before anything was done.
      expect((await order('unlucky', { method: 'm', commandId: 'unlucky-2' })).status).toBe(503);
      expect(await platform.commandIndex.find('default' as TenantId, 'unlucky-2')).toBeNull();
    } finally {
      platform.commandWorkflows.isAway = false;
    }
    const taken = await eventually(() => order('unlucky', { ...REBOOT, commandId: 'unlucky-1' }), 202);
    expect(taken.body.state).toBe('QUEUED');
  });
});

describe('an order that is repeated', () => {
  const body = { ...REBOOT, timeoutSeconds: 60 };
  const past = async (commandId: string, state: CommandState): Promise<void> => {
    const { body: view } = await read(commandId);
    const transitions = [
      { state: 'QUEUED', atMs: view.orderedAt },
      { state, atMs: view.orderedAt + 1 },
    ];
    const { orderedAt: orderedAtMs, deadline: deadlineMs } = view;
    platform.telemetry.commands.push({
      ...view,
      orderedAtMs,
      deadlineMs,
      state,
      transitions,
    } as unknown as TwinCommand);
  };
  /** Ends it, and so many others that the twin forgets it. */
  const forget = async (id: string, commandId: string): Promise<void> => {
    await cancel(commandId);
    for (let at = 0; at < COMMAND_LIMITS.endedMax; at += 1) {
      await order(id, { method: 'm', commandId: `${id}-other-${at}` });
      await cancel(`${id}-other-${at}`);
    }
  };

  it('is not told to a twin that has forgotten the command, and is answered from the history', async () => {
    await platform.device('forgetful');
    await order('forgetful', { ...body, commandId: 'forgotten' });
    await past('forgotten', 'CANCELED');
    await forget('forgetful', 'forgotten');
    // As long after as the workflow engine may have forgotten it, too.
    platform.commandWorkflows.started.delete('default/forgetful/forgotten');
    const again = await order('forgetful', { ...body, commandId: 'forgotten' });
    expect(again).toMatchObject({ status: 200, body: { commandId: 'forgotten', state: 'CANCELED' } });
    expect(ordersOf('forgotten')).toBe(1);
    expect(await cancel('forgotten')).toMatchObject({ status: 409, body: { code: 'COMMAND_ENDED' } });
    platform.telemetry.commands.length = 0;
  });

  it('is left to the workflow that exists, also when the history is away', async () => {
    const small = new MemoryPlatform({ writeTimeoutMs: 300 });
    await small.start();
    try {
      await small.device('left');
      const told = jest.spyOn(small.app.get(ControlWriter), 'append');
      const ordered = { ...body, commandId: 'left-1' };
      const send = (): Promise<Answer> => small.request('POST', '/api/v1/devices/left/commands', { body: ordered });
      // The first one dies between the start of the workflow and the word to the twin.
      told.mockRejectedValueOnce(new Error('it died'));
      expect((await send()).status).toBe(500);
      jest.spyOn(small.telemetry, 'readCommands').mockRejectedValue(new Error('away'));
      expect(await send()).toMatchObject({ status: 202, body: { state: 'QUEUED', transitions: [] } });
      expect(told).toHaveBeenCalledTimes(1);
    } finally {
      await small.stop();
    }
  });

  it('starts the workflow when the first one died before that, with the deadline of the first', async () => {
    await platform.device('early');
    const start = jest.spyOn(platform.commandWorkflows, 'start').mockRejectedValueOnce(new Error('it died'));
    expect((await order('early', { ...body, commandId: 'early-1' })).status).toBe(500);
    const claim = await platform.commandIndex.find('default' as TenantId, 'early-1');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const again = await order('early', { ...body, commandId: 'early-1' });
    expect(again).toMatchObject({ status: 202, body: { deadline: claim?.deadlineMs } });
    expect(start).toHaveBeenCalledTimes(2);
    expect(ordersOf('early-1')).toBe(1);
    start.mockRestore();
  });

  it('is the same command after its deadline, too', async () => {
    await platform.device('overdue');
    const deadline = Date.now() + 1_000;
    await order('overdue', { method: 'm', commandId: 'overdue-1', deadline });
    while (Date.now() <= deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    const again = await order('overdue', { method: 'm', commandId: 'overdue-1', deadline });
    expect(again.body).toMatchObject({ commandId: 'overdue-1', deadline });
    expect((await order('overdue', { method: 'm', commandId: 'overdue-2', deadline })).status).toBe(422);
  });

  it('may write its members in another order, but null is not the same as nothing', async () => {
    await platform.device('exact');
    await order('exact', { method: 'm', params: { a: 1, b: 2 }, commandId: 'exact-1' });
    expect((await order('exact', { commandId: 'exact-1', params: { b: 2, a: 1 }, method: 'm' })).status).toBe(202);
    await order('exact', { method: 'm', params: null, commandId: 'exact-2' });
    expect((await order('exact', { method: 'm', commandId: 'exact-2' })).status).toBe(409);
    expect((await order('exact', { method: 'm', params: null, commandId: 'exact-2' })).status).toBe(202);
  });
});

describe('what is refused before anything is started', () => {
  it.each([
    ['params that are too large', BIG_PARAMS],
    ['params that are too deep', [[[[[[[[[1]]]]]]]]]],
  ])('%s', async (what, params) => {
    const id = `never-${what.replaceAll(' ', '-')}`;
    await platform.device(id);
    expect(await order(id, { method: 'm', params, commandId: id })).toMatchObject({ status: 422 });
    expect(platform.commandWorkflows.started.has(`default/${id}/${id}`)).toBe(false);
    expect(await platform.commandIndex.find('default' as TenantId, id)).toBeNull();
  });

  it('JSON that is too deep even to be written', async () => {
    await platform.device('deep');
    const rawBody = `{"method":"m","params":${'['.repeat(60_000)}${']'.repeat(60_000)}}`;
    const answer = await platform.request('POST', '/api/v1/devices/deep/commands', { rawBody });
    expect(answer.status).toBe(422);
  });

  it('an order for a twin that is too far behind, or one too many that waits', async () => {
    const small = new MemoryPlatform({ writesInFlightMax: 0 });
    await small.start();
    try {
      await small.device('behind');
      const body = { method: 'm', commandId: 'behind-1' };
      const answer = await small.request('POST', '/api/v1/devices/behind/commands', { body });
      expect(answer).toMatchObject({ status: 503, body: { code: 'CONTROL_LAGGING' } });
      expect(small.commandWorkflows.started.size).toBe(0);
      expect(await small.commandIndex.find('default' as TenantId, 'behind-1')).toBeNull();
    } finally {
      await small.stop();
    }
  });
});

describe('a command on its way', () => {
  it('shows every state with its time, and ends with what the device answered', async () => {
    await connect('answering');
    const { body } = await order('answering');
    const { commandId } = body;
    await platform.tellTwin('answering', { kind: 'commandDelivery', commandId, dispatch: 1, outcome: 'sent' });
    await platform.tellTwin('answering', { kind: 'commandDelivery', commandId, dispatch: 1, outcome: 'delivered' });
    await platform.tellTwin('answering', { kind: 'commandProgressed', commandId, percent: 40, note: 'busy' });
    expect((await reached(commandId, 'IN_PROGRESS')).body.progress).toEqual({ percent: 40, note: 'busy' });
    const result = { uptime: 7 };
    await platform.tellTwin('answering', { kind: 'commandAnswered', commandId, status: 'SUCCEEDED', result });
    const ended = await reached(commandId, 'SUCCEEDED');
    expect(ended.body).toMatchObject({ attempts: 1, result });
    expect(statesOf(ended)).toEqual(['QUEUED', 'SENT', 'DELIVERED', 'IN_PROGRESS', 'SUCCEEDED']);
    const times = ended.body.transitions.map(({ at }: Loose) => at);
    expect(times).toEqual([...times].sort((left, right) => left - right));
  });

  it('is answered with its end when the client prefers to wait for it', async () => {
    await connect('waited');
    const ordered = order('waited', { ...REBOOT, commandId: 'waited-1' }, { prefer: 'respond-async, wait=30' });
    await reached('waited-1', 'QUEUED');
    await platform.tellTwin('waited', {
      kind: 'commandAnswered',
      commandId: 'waited-1',
      status: 'FAILED',
      reason: 'no',
    });
    const answer = await ordered;
    expect(answer).toMatchObject({ status: 200, body: { state: 'FAILED' } });
    expect(answer.body.transitions.at(-1)).toMatchObject({ state: 'FAILED', reason: 'no' });
    const impatient = await order('waited', REBOOT, { prefer: 'wait=0' });
    expect(impatient.status).toBe(202);
  });

  it('is canceled before it was sent; after that only by force, and says so', async () => {
    await platform.device('asleep');
    await order('asleep', { method: 'm', commandId: 'cancel-1' });
    const canceled = await cancel('cancel-1', { reason: 'not needed' });
    expect(canceled).toMatchObject({ status: 200, body: { state: 'CANCELED' } });
    expect(canceled.body.mayHaveRun).toBeUndefined();
    expect((await cancel('cancel-1')).status).toBe(200);
    await connect('awake');
    await order('awake', { method: 'm', commandId: 'cancel-2' });
    expect(await cancel('cancel-2')).toMatchObject({ status: 409, body: { code: 'COMMAND_SENT' } });
    const forced = await cancel('cancel-2', { force: true });
    expect(forced).toMatchObject({ status: 200, body: { state: 'CANCELED', mayHaveRun: true } });
    await order('awake', { method: 'm', commandId: 'cancel-3' });
    await platform.tellTwin('awake', { kind: 'commandAnswered', commandId: 'cancel-3', status: 'SUCCEEDED' });
    await reached('cancel-3', 'SUCCEEDED');
    expect(await cancel('cancel-3')).toMatchObject({ status: 409, body: { code: 'COMMAND_ENDED' } });
    expect((await cancel('no-such')).status).toBe(404);
  });
});

describe('the commands of a device', () => {
  it('are those of the twin and, when it has forgotten them, those of the history', async () => {
    await platform.device('listed');
    for (const commandId of ['l1', 'l2', 'l3']) await order('listed', { method: 'm', commandId });
    await cancel('l2');
    const idsOf = ({ body }: Answer): string[] => body.items.map(({ commandId }: Loose) => commandId);
    const list = (query = ''): Promise<Answer> => platform.request('GET', `/api/v1/devices/listed/commands${query}`);
    expect(idsOf(await list()).sort()).toEqual(['l1', 'l2', 'l3']);
    expect(idsOf(await list('?state=CANCELED'))).toEqual(['l2']);
    expect(idsOf(await list('?state=QUEUED')).sort()).toEqual(['l1', 'l3']);
    expect((await list('?state=LOST')).status).toBe(400);
    expect((await list('?cursor=nonsense')).status).toBe(400);
  });

  it('stand on one page each, and as the twin has them where the history is behind', async () => {
    await platform.device('paged');
    const ordered = await order('paged', { method: 'm', commandId: 'p-new' });
    const past = (commandId: string, orderedAtMs: number): TwinCommand => {
      const state = 'QUEUED' as const;
      const transitions = [{ state, atMs: orderedAtMs }];
      return { commandId, method: 'm', orderedAtMs, deadlineMs: 9, state, transitions } as unknown as TwinCommand;
    };
    platform.telemetry.commands.push(past('h3', 3), past('h2', 2), past('h1', 1));
    const page = (query: string): Promise<Answer> => platform.request('GET', `/api/v1/devices/paged/commands?${query}`);
    const idsOf = ({ body }: Answer): string[] => body.items.map(({ commandId }: Loose) => commandId);
    try {
      const first = await page('limit=2');
      expect(idsOf(first)).toEqual(['p-new', 'h3']);
      expect(first.headers.link).toContain('rel="next"');
      const second = await page(`limit=2&cursor=${encodeURIComponent(first.body.nextCursor)}`);
      expect(idsOf(second)).toEqual(['h2', 'h1']);
      expect(second.body.nextCursor).toBeNull();
      await cancel('p-new');
      platform.telemetry.commands.unshift(past('p-new', ordered.body.orderedAt));
      const states = (await page('limit=2')).body.items.map(({ state }: Loose) => state);
      expect(states).toEqual(['CANCELED', 'QUEUED']);
      expect(idsOf(await page('state=QUEUED'))).toEqual(['h3', 'h2', 'h1']);
      expect(idsOf(await page('state=CANCELED'))).toEqual(['p-new']);
    } finally {
      platform.telemetry.commands.length = 0;
    }
  });

  it('are met once each in a walk by state, however far the history is behind in the middle of it', async () => {
    await platform.device('walked');
    const COMMANDS = 9;
    const ordered: TwinCommand[] = [];
    for (let number = 0; number < COMMANDS; number++) {
      const commandId = `w${number}`;
      const { orderedAt } = (await order('walked', { method: 'm', commandId })).body;
      const transitions = [{ state: 'QUEUED', atMs: orderedAt }];
      const known = { commandId, method: 'm', orderedAtMs: orderedAt, deadlineMs: 9, state: 'QUEUED', transitions };
      ordered.push(known as unknown as TwinCommand);
    }
    // The twin ends every other command. The history knows every third one, and of no end.
    const canceled = ordered.filter((_, number) => number % 2 === 0).map(({ commandId }) => commandId);
    for (const commandId of canceled) await cancel(commandId);
    platform.telemetry.commands = ordered.filter((_, number) => number % 3 === 0);
    const walk = async (state: string, between: () => void): Promise<string[]> => {
      const met: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const query = `state=${state}&limit=2${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
        const { body }: Answer = await platform.request('GET', `/api/v1/devices/walked/commands?${query}`);
        met.push(...body.items.map(({ commandId }: Loose) => commandId));
        expect(body.items.length).toBeLessThanOrEqual(2);
        cursor = body.nextCursor;
        between();
      }
      return met;
    };
    const queued = ordered.map(({ commandId }) => commandId).filter((id) => !canceled.includes(id));
    const catchUp = (): void => {
      platform.telemetry.commands = ordered.map((command) =>
        canceled.includes(command.commandId) ? ({ ...command, state: 'CANCELED' } as TwinCommand) : command,
      );
    };
    const behind = platform.telemetry.commands;
    try {
      for (const between of [() => undefined, catchUp]) {
        platform.telemetry.commands = behind;
        expect((await walk('CANCELED', between)).sort()).toEqual(canceled);
        platform.telemetry.commands = behind;
        expect((await walk('QUEUED', between)).sort()).toEqual(queued);
      }
      // The history takes all of them for queued, and most are not: pages are then shorter than their limit.
      for (const commandId of queued.slice(1, -1)) await cancel(commandId);
      platform.telemetry.commands = ordered;
      expect((await walk('QUEUED', () => undefined)).sort()).toEqual([queued[0], queued.at(-1)]);
    } finally {
      platform.telemetry.commands = [];
    }
  });
});
