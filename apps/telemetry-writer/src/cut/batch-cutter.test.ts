import type { DeviceId, Incarnation, LogId, Offset, SessionEpoch, TenantId } from '@breakwater/twin';
import type { LogFrame } from '@breakwater/twin-runtime';
import { encodeRecord, type RecordMessage } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { BatchCutter, type CutLimits } from './batch-cutter.ts';
import { deadLettersOfPlan, DeadLetterQuota } from './dead-letter-quota.ts';

const DAY_MS = 86_400_000;
const DAY = 20_000;
const NO_LIMITS: CutLimits = { recordsMax: Infinity, bytesMax: Infinity, daysMax: Infinity };

const telemetry = (...days: readonly number[]): RecordMessage => ({
  kind: 'telemetry',
  points: days.map((day, index) => ({
    tsMs: day * DAY_MS + index,
    values: new Map<string, number | string | boolean>([
      ['t', index],
      ['s', 'ü"\n'],
      ['b', true],
    ]),
  })),
});
const event: RecordMessage = { kind: 'event', name: 'door', tsMs: DAY * DAY_MS, data: { open: true } };
const deadLetter: RecordMessage = {
  kind: 'deadLetter',
  code: 'PAYLOAD_MALFORMED',
  detail: 'x',
  topic: 't',
  payloadBase64: 'AA==',
  sender: 's',
};

function line(message: RecordMessage): string {
  return encodeRecord({
    tenant: 'default' as TenantId,
    device: 'd' as DeviceId,
    incarnation: 1 as Incarnation,
    sessionEpoch: 1 as SessionEpoch,
    packetId: 1,
    digest: 1,
    messageId: 'id',
    receivedAtMs: DAY * DAY_MS,
    traceparent: '',
    message,
  });
}

function frame(firstOffset: number, lines: readonly string[]): LogFrame {
  return {
    firstOffset: firstOffset as Offset,
    lastOffset: (firstOffset + lines.length - 1) as Offset,
    appendedAtMs: 0,
    body: Buffer.from(lines.join('\n')),
  };
}

function cutter(
  limits: Partial<CutLimits> = {},
  keepDeadLetter = (_tenant: string, _day: number) => true,
): BatchCutter {
  return new BatchCutter({ epoch: 5, logId: 'log' as LogId, limits: { ...NO_LIMITS, ...limits }, keepDeadLetter });
}

const all = (from: number) => ({ from, to: Number.MAX_SAFE_INTEGER, recordsMax: Number.MAX_SAFE_INTEGER });
const linesOf = (cut: BatchCutter, day: number) =>
  (cut.days.get(day)?.body().toString() ?? '')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text));

describe('a batch', () => {
  it('puts each line into its day with epoch, log, partition and offset in front', () => {
    const cut = cutter();
    const range = cut.take(3, [frame(10, [line(telemetry(DAY)), line(event), line(telemetry(DAY + 1))])], all(10));
    expect(range).toMatchObject({ from: 10, to: 13, counts: { stored: 3, nothingToStore: 0, dead: 0 } });
    expect(linesOf(cut, DAY)).toMatchObject([
      { e: 5, lid: 'log', pt: 3, o: 10 },
      { pt: 3, o: 11, k: 'event' },
    ]);
    expect(linesOf(cut, DAY + 1)).toMatchObject([{ pt: 3, o: 12 }]);
  });

  it('cuts a record of several days, with row indexes of the whole record', () => {
    const cut = cutter();
    cut.take(0, [frame(0, [line(telemetry(DAY, DAY + 1, DAY))])], all(0));
    expect(linesOf(cut, DAY)[0]).toMatchObject({
      o: 0,
      p: [
        { x: 0, n: { t: 0 } },
        { x: 6, n: { t: 2 } },
      ],
    });
    expect(linesOf(cut, DAY + 1)[0]).toMatchObject({
      o: 0,
      tenant: 'default',
      id: 'id',
      p: [{ x: 3, s: { s: 'ü"\n' } }],
    });
  });

  it('counts what has nothing to store, and takes no line of it', () => {
    const cut = cutter();
    const range = cut.take(0, [frame(0, [line(telemetry()), line({ kind: 'getTwin' })])], all(0));
    expect(range.counts).toEqual({ stored: 0, nothingToStore: 2, dead: 0 });
    expect(cut.days.size).toBe(0);
  });

  it('keeps dead letters up to the quota and counts the others', () => {
    const quota = new DeadLetterQuota(2, new Map([[`default/${DAY}`, 1]]));
    const draft = quota.draft();
    const cut = cutter({}, draft.keep);
    const range = cut.take(0, [frame(0, [line(deadLetter), line(deadLetter), line(deadLetter)])], all(0));
    expect(range.counts.dead).toBe(3);
    expect(linesOf(cut, DAY).map(({ k }) => k)).toEqual(['deadLetter', 'deadLetterCounted', 'deadLetterCounted']);
    const again = cutter({}, deadLettersOfPlan(Object.fromEntries(draft.kept)).keep);
    again.take(0, [frame(0, [line(deadLetter), line(deadLetter), line(deadLetter)])], all(0));
    expect(linesOf(again, DAY)).toEqual(linesOf(cut, DAY));
    quota.settle(draft);
    expect(quota.draft().keep('default', DAY)).toBe(false);
  });

  it('stops before a record of an unknown version, and takes what is before it', () => {
    const cut = cutter();
    const range = cut.take(0, [frame(0, [line(event), '{"v":2,"k":"event"}', line(event)])], all(0));
    expect(range).toMatchObject({ to: 1, counts: { stored: 1 } });
    expect(range.unknownRecord).toMatch(/"v":2/);
  });

  it('has at most so many days, but takes a single record that has more', () => {
    const cut = cutter({ daysMax: 2 });
    const lines = [
      line(telemetry(DAY)),
      line(telemetry(DAY)),
      line(telemetry(DAY + 1)),
      line(telemetry(DAY)),
      line(telemetry(DAY + 2)),
    ];
    expect(cut.take(0, [frame(0, lines)], all(0)).to).toBe(4);
    expect(cut.full).toBe(true);
    const alone = cutter({ daysMax: 2 });
    expect(alone.take(0, [frame(0, [line(telemetry(DAY, DAY + 1, DAY + 2, DAY + 3))])], all(0)).to).toBe(1);
    expect(alone.days.size).toBe(4);
  });

  it('has the digest of what it took alone, also when it stops at the start of a frame', () => {
    const days = cutter({ daysMax: 1 });
    const frames = [frame(0, [line(telemetry(DAY))]), frame(1, [line(telemetry(DAY + 1))])];
    expect(days.take(0, frames, all(0)).to).toBe(1);
    const version = cutter();
    expect(version.take(0, [frames[0] as LogFrame, frame(1, ['{"v":2,"k":"event"}'])], all(0)).to).toBe(1);
    const again = cutter();
    again.take(0, frames, { from: 0, to: 1, recordsMax: Number.MAX_SAFE_INTEGER });
    expect(days.digest()).toBe(again.digest());
    expect(version.digest()).toBe(again.digest());
  });

  it('is the same when its ranges are cut again, however frames and limits lie', () => {
    const messages = fc.array(
      fc.oneof(
        fc
          .array(fc.integer({ min: DAY, max: DAY + 3 }), { minLength: 0, maxLength: 4 })
          .map((days) => telemetry(...days)),
        fc.constant(event),
        fc.constant(deadLetter),
      ),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(
        messages,
        fc.nat(39),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (list, start, take, size) => {
          const lines = list.map(line);
          const from = Math.min(start, lines.length - 1);
          const frames = Array.from({ length: Math.ceil(lines.length / size) }, (_, n) =>
            frame(n * size, lines.slice(n * size, (n + 1) * size)),
          );
          const first = cutter({ recordsMax: take, bytesMax: 4_000, daysMax: 3 });
          const range = first.take(1, frames, { from, to: Number.MAX_SAFE_INTEGER, recordsMax: take });
          const again = cutter();
          again.take(1, [frame(0, lines)], { from, to: range.to, recordsMax: Number.MAX_SAFE_INTEGER });
          expect(again.records).toBe(first.records);
          // The digest is over frames, which the log never cuts anew.
          const sameFrames = cutter();
          sameFrames.take(1, frames, { from, to: range.to, recordsMax: Number.MAX_SAFE_INTEGER });
          expect(sameFrames.digest()).toBe(first.digest());
          expect([...again.days].map(([day, { lines: n }]) => [day, n])).toEqual(
            [...first.days].map(([day, { lines: n }]) => [day, n]),
          );
          for (const day of first.days.keys()) expect(again.days.get(day)?.body()).toEqual(first.days.get(day)?.body());
          const { stored, nothingToStore, dead } = range.counts;
          expect(stored + nothingToStore + dead).toBe(range.to - range.from);
        },
      ),
    );
  });
});
