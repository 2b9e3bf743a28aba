import { MemoryCommandHints, MemoryCommandSignals, MemoryCommandWorkflows } from '@breakwater/adapter-memory';
import { deviceKey, type CommandState, type DeviceId, type Partition, type TenantId } from '@breakwater/twin';
import { type CommandName, type CommandSignal, PlatformError } from '@breakwater/twin-runtime';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { partitionOf } from '@breakwater/wire';

import { COMPANY_MS, SIGNALS_PER_READ } from './partition-words.ts';
import { SIGNALS_IN_FLIGHT_MAX, SignalPump } from './signal-pump.ts';

const TENANT = 'default' as TenantId;
const DEVICE = 'pump-1' as DeviceId;
const KEY = deviceKey(TENANT, DEVICE);
const PARTITIONS = 4;
const PARTITION = partitionOf(KEY, PARTITIONS);
/** Long enough for every look-through, rest and hold. */
const LONG_MS = 20_000;
const TURN_MS = 20;
/** After it a word without company has been told, and only then. */
const SOON_MS = COMPANY_MS + 3 * TURN_MS;

/** Workflows that may be slow, and may refuse the words of one command. */
class TestWorkflows extends MemoryCommandWorkflows<CommandName> {
  refused = new Set<string>();
  gate: Promise<void> = Promise.resolve();
  onTheirWay = 0;
  onTheirWayMax = 0;
  calls = 0;

  override async changed(command: CommandName, document: string): Promise<'told' | 'gone'> {
    this.calls += 1;
    this.onTheirWay += 1;
    this.onTheirWayMax = Math.max(this.onTheirWayMax, this.onTheirWay);
    try {
      await this.gate;
      if (this.refused.has(command.commandId)) {
        throw new PlatformError('COMMANDS_UNAVAILABLE', 'this one is not taken', { retryable: false });
      }
      return await super.changed(command, document);
    } finally {
      this.onTheirWay -= 1;
    }
  }
}

let clock: VirtualClock;
let signals: MemoryCommandSignals;
let hints: MemoryCommandHints;
let workflows: TestWorkflows;
let pump: SignalPump;
let outcomes: string[];
let lost: string[];
let troubles: string[];
let entries: number;

beforeEach(async () => {
  clock = new VirtualClock(1_000_000);
  signals = new MemoryCommandSignals({ signalsMax: 100_000 });
  hints = new MemoryCommandHints();
  workflows = new TestWorkflows();
  outcomes = [];
  lost = [];
  troubles = [];
  entries = 0;
  pump = new SignalPump({
    signals,
    hints,
    workflows,
    lost: { startAgain: async ({ commandId }) => (lost.push(commandId), 'startedAgain') },
    clock,
    partitionCount: PARTITIONS,
    onTold: (outcome) => outcomes.push(outcome),
    onTrouble: (detail) => troubles.push(detail),
  });
  await pump.start();
  // Past the first look-through, so that what follows goes by hints.
  await clock.advance(TURN_MS);
});

afterEach(async () => {
  await pump.stop();
});

/** A word of the twin, in the queue as the dispatcher puts it there. */
async function say(commandId: string, state: CommandState, note = '', isHinted = true): Promise<void> {
  const document = JSON.stringify({ commandId, state, note });
  entries += 1;
  await signals.push(PARTITION, [{ id: `o${entries}`, key: KEY, commandId, document }]);
  if (isHinted) await hints.publish([{ key: KEY, commandId }]);
}

async function start(...commandIds: string[]): Promise<void> {
  for (const commandId of commandIds) await workflows.start({ tenant: TENANT, device: DEVICE, commandId });
}

function heard(commandId: string): readonly string[] {
  const documents = workflows.heard.get(`${TENANT}/${DEVICE}/${commandId}`) ?? [];
  return documents.map((document) => {
    const { state, note } = JSON.parse(document) as { state: string; note: string };
    return note === '' ? state : `${state} ${note}`;
  });
}

function left(): Promise<readonly CommandSignal[]> {
  return signals.read(PARTITION as Partition, 100_000);
}

describe('the pump of signals', () => {
  it('makes one signal of several words of a command, with the last document', async () => {
    await start('c1', 'c2');
    await say('c1', 'QUEUED');
    await say('c2', 'QUEUED');
    await say('c1', 'SENT');
    await say('c1', 'DELIVERED');
    await clock.advance(SOON_MS);
    expect(heard('c1')).toEqual(['DELIVERED']);
    expect(heard('c2')).toEqual(['QUEUED']);
    expect(await left()).toEqual([]);
  });

  it('lets a command that goes on wait for company, and tells an end at once', async () => {
    await start('c1', 'c2');
    await say('c1', 'SENT');
    await say('c2', 'SENT');
    await clock.advance(TURN_MS);
    await say('c2', 'SUCCEEDED');
    await clock.advance(TURN_MS);
    expect(heard('c1')).toEqual([]);
    expect(heard('c2')).toEqual(['SUCCEEDED']);
    await clock.advance(COMPANY_MS);
    expect(heard('c1')).toEqual(['SENT']);
  });

  it('keeps no word waiting by the words that follow it', async () => {
    await start('c1');
    for (let percent = 0; percent < 20; percent++) {
      await say('c1', 'IN_PROGRESS', String(percent));
      await clock.advance(TURN_MS);
    }
    await clock.advance(SOON_MS);
    expect(heard('c1').length).toBeGreaterThan(1);
    expect(heard('c1').length).toBeLessThan(10);
    expect(heard('c1').at(-1)).toBe('IN_PROGRESS 19');
  });

  it('takes it as confirmed when the workflow is gone', async () => {
    await say('c1', 'SUCCEEDED');
    await clock.advance(SOON_MS);
    expect(outcomes).toEqual(['gone']);
    expect(await left()).toEqual([]);
    await clock.advance(LONG_MS);
    expect(workflows.calls).toBe(1);
    expect(lost).toEqual([]);
  });

  it('has the workflow of a command that goes on started again when it is gone', async () => {
    await say('c1', 'SENT');
    await clock.advance(SOON_MS);
    expect(lost).toEqual(['c1']);
    expect(outcomes).toEqual(['startedAgain']);
    expect(await left()).toEqual([]);
  });

  it('keeps all words while Temporal is away, and tells the newest when it is back', async () => {
    await start('c1', 'c2');
    workflows.isAway = true;
    await say('c1', 'QUEUED');
    await say('c2', 'SENT');
    await clock.advance(LONG_MS);
    await say('c1', 'SENT');
    await clock.advance(LONG_MS);
    await say('c1', 'SUCCEEDED');
    expect(await left()).toHaveLength(4);
    expect(troubles.length).toBeGreaterThan(0);
    workflows.isAway = false;
    await clock.advance(LONG_MS);
    expect(heard('c1')).toEqual(['SUCCEEDED']);
    expect(heard('c2')).toEqual(['SENT']);
    expect(await left()).toEqual([]);
  });

  it('does not storm a Temporal that is away, however many words wait', async () => {
    workflows.isAway = true;
    for (let n = 0; n < 1_000; n++) await say(`c${n}`, 'SUCCEEDED');
    await clock.advance(60_000);
    expect(workflows.calls).toBeLessThan(SIGNALS_IN_FLIGHT_MAX + 60);
    workflows.isAway = false;
    await clock.advance(LONG_MS);
    expect(outcomes).toHaveLength(1_000);
    expect(await left()).toEqual([]);
  });

  it('makes up for a lost hint by looking through all partitions', async () => {
    await start('c1');
    await say('c1', 'SUCCEEDED', '', false);
    await clock.advance(500);
    expect(heard('c1')).toEqual([]);
    await clock.advance(600);
    expect(heard('c1')).toEqual(['SUCCEEDED']);
  });

  it('tells what stands behind a full page of words that are not taken', async () => {
    await start('last');
    for (let n = 0; n < SIGNALS_PER_READ; n++) {
      await start(`bad${n}`);
      workflows.refused.add(`bad${n}`);
      await say(`bad${n}`, 'SENT');
    }
    await say('last', 'SENT');
    await clock.advance(10 * SOON_MS);
    expect(heard('last')).toEqual(['SENT']);
    expect(await left()).toHaveLength(SIGNALS_PER_READ);
  });

  it('tells an end at once that stands behind a full page of words that wait for company', async () => {
    await start('last');
    for (let n = 0; n < SIGNALS_PER_READ + 100; n++) await say(`c${n}`, 'SENT');
    await say('last', 'SUCCEEDED');
    await clock.advance(3 * TURN_MS);
    expect(heard('last')).toEqual(['SUCCEEDED']);
    expect(outcomes).toEqual(['told']);
  });

  it('is not held up by one command whose words are not taken', async () => {
    await start('bad', 'good');
    workflows.refused.add('bad');
    for (let n = 0; n < 50; n++) {
      await say('bad', 'IN_PROGRESS', String(n));
      await say('good', 'IN_PROGRESS', String(n));
      await clock.advance(1_000);
      expect(heard('good').at(-1)).toBe(`IN_PROGRESS ${n}`);
    }
    workflows.refused.clear();
    await clock.advance(LONG_MS);
    expect(heard('bad')).toEqual(['IN_PROGRESS 49']);
  });

  it('has one word of a command on its way, so that they arrive in order', async () => {
    const open = Promise.withResolvers<void>();
    workflows.gate = open.promise;
    await start('c1');
    await say('c1', 'SENT');
    await clock.advance(SOON_MS);
    await say('c1', 'SUCCEEDED');
    await clock.advance(LONG_MS);
    expect(workflows.calls).toBe(1);
    open.resolve();
    await clock.advance(SOON_MS);
    expect(heard('c1')).toEqual(['SENT', 'SUCCEEDED']);
    expect(workflows.calls).toBe(2);
  });

  it('has a bounded number of signals on their way', async () => {
    const open = Promise.withResolvers<void>();
    workflows.gate = open.promise;
    for (let n = 0; n < 2 * SIGNALS_IN_FLIGHT_MAX; n++) await say(`c${n}`, 'SENT');
    await clock.advance(LONG_MS);
    expect(workflows.onTheirWay).toBe(SIGNALS_IN_FLIGHT_MAX);
    expect(workflows.calls).toBe(SIGNALS_IN_FLIGHT_MAX);
    open.resolve();
    await clock.advance(LONG_MS);
    expect(workflows.onTheirWayMax).toBe(SIGNALS_IN_FLIGHT_MAX);
    expect(await left()).toEqual([]);
  });

  it('confirms what arrived when it is stopped, and tells nothing more', async () => {
    const open = Promise.withResolvers<void>();
    workflows.gate = open.promise;
    await start('c1', 'c2');
    await say('c1', 'SUCCEEDED');
    await clock.advance(SOON_MS);
    const stopped = pump.stop();
    await say('c2', 'SUCCEEDED');
    open.resolve();
    await stopped;
    await clock.advance(LONG_MS);
    expect(heard('c1')).toEqual(['SUCCEEDED']);
    expect((await left()).map(({ commandId }) => commandId)).toEqual(['c2']);
  });
});
