import { describe, expect, it } from '@jest/globals';
import type { DeviceKey, Epoch, Partition } from '@breakwater/twin';
import { encodeDeadLetter, type OutboxEntry } from '@breakwater/twin-runtime';
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
  const effects = new OutboxEffects({ producer, clock: { nowMs: () => 1 } } as unknown as OutboxEffectsPorts);
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
