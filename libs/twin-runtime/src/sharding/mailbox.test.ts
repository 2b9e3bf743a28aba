import { describe, expect, it } from '@jest/globals';

import type { Offset } from '@breakwater/twin';

import type { LogFrame } from '../ports/event-log.ts';
import type { DecodedRecord } from '../ports/record-decoder.ts';
import { Mailbox } from './mailbox.ts';

describe('Mailbox', () => {
  it('gives records in order and keeps them until they are taken', () => {
    const mailbox = mailboxAt(0);
    mailbox.push([frame(0, ['a', 'b']), frame(2, ['c'])]);
    expect(offsets(mailbox, 2)).toEqual([0, 1]);
    expect(offsets(mailbox, 10)).toEqual([0, 1, 2]);
    mailbox.take(2);
    expect(mailbox.position).toBe(2);
    expect(offsets(mailbox, 10)).toEqual([2]);
    mailbox.take(1);
    expect(mailbox.isEmpty).toBe(true);
    expect(mailbox.readFrom).toBe(3);
  });

  it('skips what it has had when a read starts inside a frame', () => {
    const mailbox = mailboxAt(2);
    mailbox.push([frame(0, ['a', 'b', 'c', 'd'])]);
    expect(mailbox.peek(10).map(({ line }) => line)).toEqual(['c', 'd']);
    expect(offsets(mailbox, 10)).toEqual([2, 3]);
    mailbox.push([frame(0, ['a', 'b', 'c', 'd']), frame(4, ['e'])]);
    expect(offsets(mailbox, 10)).toEqual([2, 3, 4]);
  });

  it('takes part of a frame and goes on with the rest', () => {
    const mailbox = mailboxAt(0);
    mailbox.push([frame(0, ['a', 'b', 'c'])]);
    mailbox.peek(1);
    mailbox.take(1);
    mailbox.push([frame(3, ['d'])]);
    expect(offsets(mailbox, 10)).toEqual([1, 2, 3]);
  });

  it('asserts that nothing is missing between two frames', () => {
    const mailbox = mailboxAt(0);
    expect(() => mailbox.push([frame(1, ['b'])])).toThrow('holds its offset');
  });

  it('gives everything before a record of an unknown version, and then refuses', () => {
    const mailbox = mailboxAt(0);
    mailbox.push([frame(0, ['a', 'newer', 'c'])]);
    expect(offsets(mailbox, 10)).toEqual([0]);
    mailbox.take(1);
    expect(() => mailbox.peek(1)).toThrow('unknown version');
    expect(() => mailbox.peek(1)).toThrow('unknown version');
    expect(mailbox.position).toBe(1);
  });

  it('gives a line that is no record without one', () => {
    const mailbox = mailboxAt(0);
    mailbox.push([frame(0, ['rubbish', 'b'])]);
    expect(mailbox.peek(10).map(({ decoded }) => decoded === null)).toEqual([true, false]);
  });
});

function mailboxAt(position: number): Mailbox {
  return new Mailbox('telemetry', position as Offset, decode);
}

function decode(line: string): DecodedRecord {
  if (line === 'newer') throw Object.assign(new Error('unknown version'), { code: 'RECORD_VERSION_UNKNOWN' });
  if (line === 'rubbish') throw new SyntaxError('not JSON');
  return {
    key: `default/${line}` as never,
    incarnation: 1 as never,
    sessionEpoch: 0 as never,
    message: { kind: 'getTwin' },
  };
}

function frame(firstOffset: number, lines: readonly string[]): LogFrame {
  const lastOffset = (firstOffset + lines.length - 1) as Offset;
  return { firstOffset: firstOffset as Offset, lastOffset, appendedAtMs: 1, body: Buffer.from(lines.join('\n')) };
}

function offsets(mailbox: Mailbox, count: number): number[] {
  return mailbox.peek(count).map(({ offset }) => offset);
}
