import { describe, expect, it } from '@jest/globals';

import { type MemoryUse, MemoryWatch } from './memory-watch.ts';
import { Metrics } from './metrics.ts';

const MB = 1024 * 1024;

function watchOn(use: { rss: number; heapUsed: number; external: number }): { watch: MemoryWatch; metrics: Metrics } {
  const metrics = new Metrics('test');
  const read = (): MemoryUse => ({ rss: use.rss * MB, heapUsed: use.heapUsed * MB, external: use.external * MB });
  return { watch: new MemoryWatch({ metrics, maxBytes: 600 * MB, heapMaxBytes: 400 * MB, read }), metrics };
}

describe('the watch of memory', () => {
  it('sees what is held, once it is held for two samples', () => {
    const use = { rss: 550, heapUsed: 100, external: 344 };
    const { watch } = watchOn(use);
    watch.sample();
    expect(watch.share).toBe(0);
    watch.sample();
    expect(watch.share).toBeCloseTo(0.9);
    use.external = 44;
    watch.sample();
    expect(watch.share).toBeCloseTo(0.4);
  });

  it('does not count what was freed and is still resident', () => {
    const { watch } = watchOn({ rss: 590, heapUsed: 50, external: 4 });
    watch.sample();
    watch.sample();
    expect(watch.share).toBeCloseTo(0.25);
  });

  it('sees a heap that is nearly full although there is memory left', () => {
    const { watch } = watchOn({ rss: 480, heapUsed: 380, external: 4 });
    watch.sample();
    watch.sample();
    expect(watch.share).toBeCloseTo(0.95);
  });

  it('shows both figures as metrics', async () => {
    const { metrics } = watchOn({ rss: 200, heapUsed: 50, external: 54 });
    const text = await metrics.text();
    expect(text).toContain(`breakwater_memory_used_bytes{service="test"} ${200 * MB}`);
    expect(text).toContain(`breakwater_memory_max_bytes{service="test"} ${600 * MB}`);
  });
});
