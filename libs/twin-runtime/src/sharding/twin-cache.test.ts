import { describe, expect, it } from '@jest/globals';

import type { DeviceKey } from '@breakwater/twin';

import { type CachedTwin, TwinCache, type TwinHome } from './twin-cache.ts';

const STATE_BYTES = 800;
/** With what an entry costs by itself, three twins fit. */
const BYTES_MAX = 3 * 1_000;

describe('TwinCache', () => {
  it('forgets the least recently used twin when the budget is exceeded', () => {
    const { home, insert, cache } = filled(['a', 'b', 'c']);
    use(cache, home, 'a');
    cache.unpin(insert('d'));
    expect(keysOf(home)).toEqual(['a', 'c', 'd']);
    expect(cache.bytes).toBe(BYTES_MAX);
  });

  it('never forgets a pinned twin', () => {
    const { home, insert, cache } = filled(['a', 'b', 'c']);
    const a = twinOf(home, 'a');
    cache.pin(a);
    for (const key of ['d', 'e', 'f']) cache.unpin(insert(key));
    expect(home.get('a' as DeviceKey)).toBe(a);
    cache.unpin(a);
    expect(keysOf(home)).toEqual(['a', 'e', 'f']);
  });

  it('holds a twin that is pinned twice until its last batch is done', () => {
    const { home, insert, cache } = filled(['a']);
    const a = twinOf(home, 'a');
    cache.pin(a);
    cache.pin(a);
    cache.unpin(a);
    for (const key of ['b', 'c', 'd', 'e']) cache.unpin(insert(key));
    expect(home.has('a' as DeviceKey)).toBe(true);
  });

  it('exceeds the budget rather than forget what is pinned, and returns to it', () => {
    const { home, insert, cache } = filled([]);
    const pinned = ['a', 'b', 'c', 'd', 'e'].map((key) => insert(key));
    expect(cache.bytes).toBe(5_000);
    for (const twin of pinned) cache.unpin(twin);
    expect(keysOf(home)).toEqual(['c', 'd', 'e']);
  });

  it('counts a twin at its new size', () => {
    const { home, insert, cache } = filled(['a', 'b']);
    const c = insert('c');
    cache.changed(c, c.state as never, STATE_BYTES + 1_000);
    cache.unpin(c);
    expect(keysOf(home)).toEqual(['b', 'c']);
    expect(cache.bytes).toBe(BYTES_MAX);
  });

  it('drops all twins of a shard, pinned ones too, and none of another', () => {
    const { home, cache, insert } = filled(['a', 'b']);
    const other: TwinHome = new Map();
    cache.unpin(cache.insertPinned(other, 'x' as DeviceKey, { revision: 1, state: null, bytes: STATE_BYTES }));
    const b = twinOf(home, 'b');
    cache.pin(b);
    cache.drop(home);
    expect(home.size).toBe(0);
    expect(cache.bytes).toBe(1_000);
    cache.unpin(b);
    cache.unpin(insert('c'));
    expect(cache.bytes).toBe(2_000);
    expect(other.size).toBe(1);
  });
});

function filled(keys: readonly string[]): { cache: TwinCache; home: TwinHome; insert: (key: string) => CachedTwin } {
  const cache = new TwinCache(BYTES_MAX);
  const home: TwinHome = new Map();
  const insert = (key: string): CachedTwin =>
    cache.insertPinned(home, key as DeviceKey, { revision: 1, state: null, bytes: STATE_BYTES });
  for (const key of keys) cache.unpin(insert(key));
  return { cache, home, insert };
}

function use(cache: TwinCache, home: TwinHome, key: string): void {
  const twin = twinOf(home, key);
  cache.pin(twin);
  cache.unpin(twin);
}

function twinOf(home: TwinHome, key: string): CachedTwin {
  const twin = home.get(key as DeviceKey);
  if (twin === undefined) throw new Error(`no ${key}`);
  return twin;
}

function keysOf(home: TwinHome): string[] {
  return [...home.keys()].sort();
}
