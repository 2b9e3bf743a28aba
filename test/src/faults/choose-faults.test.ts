import { describe, expect, it } from '@jest/globals';

import { chooseFaults } from './choose-faults.ts';

const LIST = [
  { name: 'a', seconds: 10 },
  { name: 'b', seconds: 10 },
  { name: 'long', seconds: 60 },
  { name: 'c', seconds: 10 },
  { name: 'd', seconds: 30 },
  { name: 'other', seconds: 0 },
];

describe('chooseFaults', () => {
  it('is the whole list, or those that were named, in the order of the list', () => {
    expect(chooseFaults(LIST, {})).toEqual(['a', 'b', 'long', 'c', 'd', 'other']);
    expect(chooseFaults(LIST, { only: ['c', 'a'] })).toEqual(['a', 'c']);
    expect(() => chooseFaults(LIST, { only: ['e'] })).toThrow('there is no fault e');
  });

  it('cuts the list into stretches that take about equally long', () => {
    expect(chooseFaults(LIST, { shard: '1/2' })).toEqual(['a', 'b', 'long']);
    expect(chooseFaults(LIST, { shard: '2/2' })).toEqual(['c', 'd', 'other']);
  });

  it('puts each fault into exactly one shard, however many there are', () => {
    for (const count of [1, 2, 3, 4, 7]) {
      const shards = Array.from({ length: count }, (_, index) =>
        chooseFaults(LIST, { shard: `${index + 1}/${count}` }),
      );
      expect(shards.flat()).toEqual(['a', 'b', 'long', 'c', 'd', 'other']);
    }
  });

  it('refuses what is no shard', () => {
    for (const shard of ['0/2', '3/2', '1', 'x/y']) {
      expect(() => chooseFaults(LIST, { shard })).toThrow('--shard needs i/n');
    }
  });
});
