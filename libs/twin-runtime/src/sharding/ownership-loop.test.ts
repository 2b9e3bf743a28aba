import { describe, expect, it } from '@jest/globals';

import { silentObserver } from '../region-observer.ts';
import { OwnershipLoop } from './ownership-loop.ts';
import type { RegionParts } from './region-parts.ts';
import type { ShardTable } from './shard-table.ts';

describe('OwnershipLoop', () => {
  it('leaves while the group is away: its membership ends by itself', async () => {
    const failures: string[] = [];
    const parts = {
      memberId: 'worker-1',
      membership: {
        claims: { held: new Map(), asked: new Set(), complete: false },
        onChange: () => undefined,
        retire: () => Promise.reject(new Error('no connection')),
        leave: () => Promise.reject(new Error('no connection')),
      },
      observer: { ...silentObserver, failed: (where: string) => failures.push(where) },
    } as unknown as RegionParts;
    const loop = new OwnershipLoop(parts, {} as ShardTable);
    await loop.leave();
    expect(failures).toEqual(['retire', 'leave']);
  });
});
