import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PacketIdSet } from './wire/packet-id-set.ts';
import { ProtocolFault } from './wire/protocol-fault.ts';
import { PublishRate } from './inbound/publish-rate.ts';
import { TopicAliases } from './inbound/topic-aliases.ts';
import { isTopicFilter, isTopicName } from './wire/topic-syntax.ts';

describe('topic syntax', () => {
  it.each(['a', '/', 'a//b', ' ', 'a/b c/d', '$SYS/x', '__proto__'])('takes %p as a name', (name) => {
    expect(isTopicName(name)).toBe(true);
  });

  it.each(['', '+', 'a/#', 'a+b', 'a#'])('refuses %p as a name', (name) => {
    expect(isTopicName(name)).toBe(false);
  });

  it.each(['#', '+', 'a/+/b', 'a/#', '+/+', '/', '+/a/#', 'constructor'])('takes %p as a filter', (filter) => {
    expect(isTopicFilter(filter)).toBe(true);
  });

  it.each(['', 'a#', 'a/#/b', '#/a', 'a+/b', '++', 'a/b+'])('refuses %p as a filter', (filter) => {
    expect(isTopicFilter(filter)).toBe(false);
  });
});

describe('the depth of a topic', () => {
  it('is at most 200 levels', () => {
    expect(isTopicName('a/'.repeat(199))).toBe(true);
    expect(isTopicName('a/'.repeat(200))).toBe(false);
    expect(isTopicName('/'.repeat(65_535))).toBe(false);
    expect(isTopicName('a'.repeat(65_535))).toBe(true);
  });
});

describe('set of packet ids', () => {
  it('behaves like a set, small and large', () => {
    const step = fc.record({ add: fc.boolean(), id: fc.integer({ min: 1, max: 400 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1_000 }), (steps) => {
        const ids = new PacketIdSet();
        const model = new Set<number>();
        for (const { add, id } of steps) {
          if (add) {
            ids.add(id);
            model.add(id);
          } else expect(ids.delete(id)).toBe(model.delete(id));
          expect(ids.size).toBe(model.size);
          expect(ids.has(id)).toBe(model.has(id));
        }
        for (let id = 1; id <= 400; id++) expect(ids.has(id)).toBe(model.has(id));
      }),
      { numRuns: 50 },
    );
  });

  it('holds every id there is', () => {
    const ids = new PacketIdSet();
    for (let id = 1; id <= 65_535; id++) ids.add(id);
    expect(ids.size).toBe(65_535);
    for (let id = 1; id <= 65_535; id++) expect(ids.delete(id)).toBe(true);
    expect(ids.size).toBe(0);
  });
});

describe('publish rate', () => {
  it('lets a second of publishes through at once and then the rate', () => {
    const rate = new PublishRate({ messagesPerSecondMax: 10, bytesPerSecondMax: 0 }, 0);
    const passed = Array.from({ length: 11 }, () => rate.take(1, () => 0));
    expect(passed).toEqual([...Array.from({ length: 10 }, () => true), false]);
    expect(rate.take(1, () => 50)).toBe(false);
    expect(rate.take(1, () => 100)).toBe(true);
    expect(rate.take(1, () => 100)).toBe(false);
    expect(Array.from({ length: 11 }, () => rate.take(1, () => 60_000)).at(-1)).toBe(false);
  });

  it('is not confused by a clock that stands still or goes back', () => {
    const rate = new PublishRate({ messagesPerSecondMax: 1, bytesPerSecondMax: 0 }, 1_000);
    expect(rate.take(1, () => 1_000)).toBe(true);
    expect(rate.take(1, () => 1_000)).toBe(false);
    expect(rate.take(1, () => 500)).toBe(false);
    expect(rate.take(1, () => 1_500)).toBe(true);
  });
});

describe('topic aliases', () => {
  it('remembers, replaces and refuses', () => {
    const aliases = new TopicAliases(2);
    expect(aliases.resolve(1, 'a')).toBe('a');
    expect(aliases.resolve(1, '')).toBe('a');
    expect(aliases.resolve(1, 'b')).toBe('b');
    expect(aliases.resolve(1, '')).toBe('b');
    expect(aliases.resolve(2, '')).toMatchObject({ code: 0x82 });
    expect(aliases.resolve(0, 'a')).toMatchObject({ code: 0x94 });
    expect(aliases.resolve(3, 'a')).toMatchObject({ code: 0x94 });
    expect(aliases.resolve(1, 'x'.repeat(2_000))).toBeInstanceOf(ProtocolFault);
  });
});
