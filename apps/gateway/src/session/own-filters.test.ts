import { describe, expect, it } from '@jest/globals';
import type { DeviceId } from '@breakwater/twin';

import { isOwnFilter, listensToDesired, topicHeard } from './own-filters.ts';

const DEVICE = 'd1' as DeviceId;

describe('filters of a device', () => {
  it.each([
    ['v1/devices/me/twin/desired', true, true],
    ['v1/devices/d1/twin/desired', true, true],
    ['v1/devices/me/twin/+', true, true],
    ['v1/devices/me/+/desired', true, true],
    ['v1/devices/me/#', true, true],
    ['v1/devices/me/twin/desired/#', true, true],
    ['v1/devices/me/attributes', true, true],
    ['v1/devices/me/twin/get/accepted', true, false],
    ['v1/devices/me/+', true, false],
    ['v1/devices/me/', false, false],
    ['v1/devices/me', false, false],
    ['v1/devices/+/twin/desired', false, false],
    ['v1/devices/#', false, false],
    ['v1/devices/d2/twin/desired', false, false],
    ['#', false, false],
    ['+/devices/me/twin/desired', false, false],
    ['$share/g/v1/devices/me/twin/desired', false, false],
  ])('%s: own %s, desired %s', (filter, own, desired) => {
    expect(isOwnFilter(filter, DEVICE)).toBe(own);
    expect(own && listensToDesired(filter, DEVICE)).toBe(desired);
  });

  it('answers in the form of the first filter that matches, and on the alias only when nothing else does', () => {
    expect(topicHeard(['v1/devices/d1/twin/+', 'v1/devices/me/#'], 'twin/desired', DEVICE)).toBe(
      'v1/devices/d1/twin/desired',
    );
    expect(topicHeard(['v1/devices/me/attributes', 'v1/devices/me/twin/#'], 'twin/desired', DEVICE)).toBe(
      'v1/devices/me/twin/desired',
    );
    expect(topicHeard(['v1/devices/me/attributes'], 'twin/desired', DEVICE)).toBe('v1/devices/me/attributes');
    expect(topicHeard(['v1/devices/me/attributes'], 'twin/get/accepted', DEVICE)).toBeNull();
    expect(topicHeard([], 'twin/desired', DEVICE)).toBeNull();
  });
});
