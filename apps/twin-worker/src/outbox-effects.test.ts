import { describe, expect, it } from '@jest/globals';
import type { DeviceKey, Epoch, Incarnation, Partition, SessionEpoch, TwinCommand } from '@breakwater/twin';
import { type CommandSignal, encodeCommand, encodeDeadLetter, type OutboxEntry } from '@breakwater/twin-runtime';
import { decodeRecord } from '@breakwater/wire';

import { OutboxEffects, type OutboxEffectsPorts } from './outbox-effects.ts';

const FRAME_BYTES_MIN = 256 * 1024;

async function deadLetterOf(line: string, detail: string): Promise<{ readonly line: string; readonly data: Data }> {
  const lines: string[] = [];
  const producer = {
    append: async (_lane: string, _partition: Partition, appended: string) => {
      lines.push(appended);
      return { kind: 'appended' };
    },
  };
  const effects = new OutboxEffects({
    deadLetters: producer,
    clock: { nowMs: () => 1 },
  } as unknown as OutboxEffectsPorts);
  const payload = encodeDeadLetter({ lane: 'telemetry', offset: 7, code: 'MESSAGE_FAILED', detail, line });
  const entry: OutboxEntry = { id: 'telemetry:7:0', kind: 'deadLetter', key: 'default/d1' as DeviceKey, payload };
  expect(await effects.dispatch(0 as Partition, '1:a' as Epoch, [entry])).toEqual(['telemetry:7:0']);
  const [appended] = lines as [string];
  const { message } = decodeRecord(appended);
  if (message.kind !== 'deadLetter') throw new Error('it is a dead letter');
  return { line: appended, data: message };
}

interface Data {
  readonly detail: string;
  readonly payloadBase64: string;
}

describe('a dead letter of the worker', () => {
  it('keeps the whole line with the reason', async () => {
    const { data } = await deadLetterOf('{"v":1', 'it broke');
    expect(Buffer.from(data.payloadBase64, 'base64').toString()).toBe('{"v":1');
    expect(data.detail).toBe('it broke');
  });

  it('fits into the smallest frame that can be set, and says that the line is cut', async () => {
    const { line, data } = await deadLetterOf('x'.repeat(512 * 1024), `${'"\u{1F600}'.repeat(200_000)}`);
    expect(Buffer.byteLength(line)).toBeLessThan(FRAME_BYTES_MIN);
    expect(Buffer.from(data.payloadBase64, 'base64')).toHaveLength(128 * 1024);
    expect(data.detail).toMatch(/the first 131072 of 524288 bytes are kept$/);
    expect(Buffer.from(data.detail).toString()).toBe(data.detail);
  });
});

const COMMAND: TwinCommand = {
  commandId: 'c1',
  bodyDigest: 'b',
  requestId: 1,
  method: 'reboot',
  orderedAtMs: 1,
  deadlineMs: 2,
  state: 'QUEUED',
  transitions: [{ state: 'QUEUED', atMs: 1 }],
  dispatches: 0,
  notSent: 0,
  dispatchEpoch: 0 as SessionEpoch,
};

/** What three changes of a command bring about while the history has room for so many, and the queue takes them. */
class CommandFixture {
  readonly pushed: string[] = [];
  readonly hinted: string[] = [];
  readonly history: string[] = [];
  room = Infinity;
  takesSignals = true;
  readonly #effects = new OutboxEffects({
    history: {
      append: async (_lane: string, _partition: Partition, line: string) => {
        if (this.history.length >= this.room) return { kind: 'refused', code: 'LANE_FULL' };
        this.history.push(decodeRecord(line).messageId);
        return { kind: 'appended' };
      },
    },
    commandSignals: {
      push: async (_partition: Partition, signals: readonly CommandSignal[]) => {
        if (this.takesSignals) this.pushed.push(...signals.map(({ id }) => id));
        return this.takesSignals;
      },
    },
    commandHints: { publish: async (hints: readonly object[]) => void this.hinted.push(...hints.map(() => 'hint')) },
    clock: { nowMs: () => 1 },
  } as unknown as OutboxEffectsPorts);

  dispatch(...ids: readonly string[]): Promise<readonly string[]> {
    const entries = ids.map((id): OutboxEntry => {
      const payload = encodeCommand({ incarnation: 1 as Incarnation, tsMs: 1, command: COMMAND });
      return { id, kind: 'command', key: 'default/d1' as DeviceKey, payload };
    });
    return this.#effects.dispatch(0 as Partition, '1' as Epoch, entries);
  }
}

describe('a change of a command', () => {
  it('is told to its workflow, to live views and to the history, in order', async () => {
    const fixture = new CommandFixture();
    expect(await fixture.dispatch('a', 'b', 'c')).toEqual(['a', 'b', 'c']);
    expect(fixture).toMatchObject({ pushed: ['a', 'b', 'c'], history: ['a', 'b', 'c'], hinted: Array(3).fill('hint') });
  });

  it('stays when the telemetry lane is full, and its workflow hears of it all the same, once', async () => {
    const fixture = new CommandFixture();
    fixture.room = 1;
    expect(await fixture.dispatch('a', 'b', 'c')).toEqual(['a']);
    expect(await fixture.dispatch('b', 'c')).toEqual([]);
    expect(fixture.pushed).toEqual(['a', 'b', 'c']);
    fixture.room = Infinity;
    expect(await fixture.dispatch('b', 'c')).toEqual(['b', 'c']);
    expect(fixture).toMatchObject({ pushed: ['a', 'b', 'c'], history: ['a', 'b', 'c'] });
  });

  it('stays as a whole when the queue of signals is full', async () => {
    const fixture = new CommandFixture();
    fixture.takesSignals = false;
    expect(await fixture.dispatch('a')).toEqual([]);
    expect(fixture.history).toEqual([]);
    fixture.takesSignals = true;
    expect(await fixture.dispatch('a')).toEqual(['a']);
  });
});
