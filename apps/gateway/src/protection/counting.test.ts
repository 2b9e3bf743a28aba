import { describe, expect, it } from '@jest/globals';

import { addressKey } from './address-key.ts';
import { ConnectRate } from './connect-rate.ts';
import { RecencyMap } from './recency-map.ts';
import { RecentEvents } from './recent-events.ts';

describe('a map of what strangers choose', () => {
  it('lets go of what was not used for longest', () => {
    const map = new RecencyMap<number>(2);
    map.set('a', 1);
    map.set('b', 2);
    expect(map.get('a')).toBe(1);
    map.set('c', 3);
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2]);
  });

  it('takes the names of every object for plain ones', () => {
    const map = new RecencyMap<number>(2);
    expect(map.get('__proto__')).toBeUndefined();
    map.set('__proto__', 1);
    expect(map.get('__proto__')).toBe(1);
  });
});

describe('the rate of CONNECTs', () => {
  it('is a minute at once, and then as many as come in', () => {
    const rate = new ConnectRate({ perMinuteMax: 6, keysMax: 10 });
    const taken = Array.from({ length: 8 }, () => rate.take('a', 0));
    expect(taken.filter(Boolean)).toHaveLength(6);
    expect(rate.take('b', 0)).toBe(true);
    expect([rate.take('a', 9_999), rate.take('a', 10_001), rate.take('a', 10_002)]).toEqual([false, true, false]);
  });

  it('lets in whoever hammers as often as the limit says', () => {
    const rate = new ConnectRate({ perMinuteMax: 6, keysMax: 10 });
    let taken = 0;
    for (let nowMs = 0; nowMs < 600_000; nowMs += 100) if (rate.take('a', nowMs)) taken += 1;
    expect(taken).toBeGreaterThanOrEqual(65);
    expect(taken).toBeLessThanOrEqual(66);
  });

  it('is none with 0, and takes no harm from a clock that goes back', () => {
    const none = new ConnectRate({ perMinuteMax: 0, keysMax: 1 });
    for (let count = 0; count < 1_000; count += 1) expect(none.take('a', 0)).toBe(true);
    const one = new ConnectRate({ perMinuteMax: 1, keysMax: 1 });
    expect([one.take('a', 60_000), one.take('a', 0), one.take('a', 60_000)]).toEqual([true, false, true]);
  });
});

describe('recent events', () => {
  const create = (countMax = 3): RecentEvents => new RecentEvents({ countMax, windowMs: 1_000, keysMax: 10 });

  it('are too many within the window only', () => {
    const events = create();
    expect([0, 600, 1_000, 1_599].map((nowMs) => events.add('a', nowMs))).toEqual([false, false, false, true]);
    expect(events.isOver('a', 1_599)).toBe(true);
    expect(events.isOver('a', 1_600)).toBe(false);
    expect(events.isOver('b', 0)).toBe(false);
  });

  it('with one mark count once', () => {
    const events = create();
    for (let nowMs = 0; nowMs < 100; nowMs += 1) expect(events.add('a', nowMs, 'same')).toBe(false);
    expect(events.add('a', 100, 'second')).toBe(false);
    expect(events.add('a', 100, 'third')).toBe(true);
  });

  it('that are forgotten begin anew', () => {
    const events = create(2);
    events.add('a', 0);
    events.forget('a');
    expect(events.add('a', 1)).toBe(false);
  });

  it('never are too many with 0', () => {
    const events = create(0);
    for (let count = 0; count < 100; count += 1) expect(events.add('a', 0)).toBe(false);
    expect(events.isOver('a', 0)).toBe(false);
  });
});

describe('an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:db8:1:2:ffff::1', '2001:db8:1:2::'],
    ['2001:DB8::1', '2001:db8:0:0::'],
    ['2001:db8:1::5:6:7:8', '2001:db8:1:0::'],
    ['::1', '0:0:0:0::'],
    ['fe80::1%eth0', 'fe80:0:0:0::'],
    ['', ''],
  ])('%s stands for %s', (address, key) => expect(addressKey(address)).toBe(key));
});
