import { describe, expect, it } from '@jest/globals';

import { measureBetween, measurePairs, spreadOf } from './paired-ratio.ts';

describe('the spread of a measurement', () => {
  it('is its extremes and its middle, whatever the order', () => {
    expect(spreadOf([10, 2, 9])).toEqual({ min: 2, median: 9, max: 10 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(spreadOf([7])).toEqual({ min: 7, median: 7, max: 7 });
  });
});

describe('paired measurement', () => {
  it('warms up, changes who comes first, and divides within the pairs', async () => {
    const order: string[] = [];
    const measure = (name: string, values: number[]) => () => {
      order.push(name);
      return Promise.resolve(values.shift() ?? 0);
    };
    const paired = await measurePairs(3, {
      subject: measure('a', [100, 3, 6, 40]),
      yardstick: measure('b', [100, 2, 3, 20]),
    });
    expect(order.join('')).toBe('ab' + 'ab' + 'ba' + 'ab');
    expect(paired.ratio).toEqual({ min: 1.5, median: 2, max: 2 });
    expect(paired.subject).toEqual({ min: 3, median: 6, max: 40 });
  });
});

describe('measurement between two of the yardstick', () => {
  it('compares each with the mean of its neighbours', async () => {
    const order: string[] = [];
    const measure = (name: string, values: number[]) => () => {
      order.push(name);
      return Promise.resolve(values.shift() ?? 0);
    };
    const paired = await measureBetween(2, {
      subject: measure('a', [100, 6, 9]),
      yardstick: measure('b', [2, 4, 14]),
    });
    expect(order.join('')).toBe('ab' + 'ab' + 'ab');
    expect(paired.ratio).toEqual({ min: 1, median: 1.5, max: 2 });
  });
});
