import { describe, expect, it } from '@jest/globals';

import { Metrics } from './metrics.ts';
import { QueueWatch } from './queue-watch.ts';

function watched() {
  const metrics = new Metrics('telemetry-writer');
  const fill = { buffer: 0 as number | number[], memory: 0 };
  let nowMs = 0;
  const watch = new QueueWatch({
    metrics,
    process: 'telemetry-writer',
    queues: { buffer: { used: () => fill.buffer, max: 1_000 }, memory: { used: () => fill.memory, max: 100 } },
    nowMs: () => nowMs,
  });
  const pass = (seconds: number, step: (second: number) => void): void => {
    for (let second = 1; second <= seconds; second++) {
      nowMs += 1_000;
      step(second);
      watch.sample();
    }
  };
  const valueOf = async (name: string): Promise<number> => {
    const line = (await metrics.text()).split('\n').find((each) => each.startsWith(`breakwater_${name}`)) ?? '';
    return Number(line.slice(line.lastIndexOf(' ') + 1));
  };
  return { watch, fill, pass, valueOf };
}

describe('the watch of queues', () => {
  it('shows fill, limit and the seconds that are left, and names what is about to fill', async () => {
    const { watch, fill, pass, valueOf } = watched();
    watch.sample();
    expect(watch.filling()).toEqual([]);
    pass(60, (second) => (fill.buffer = second * 10));
    expect(await valueOf('queue_used{queue="buffer"')).toBe(600);
    expect(await valueOf('queue_max{queue="buffer"')).toBe(1_000);
    expect(await valueOf('headroom_seconds{queue="buffer"')).toBeCloseTo(40, 0);
    expect(await valueOf('headroom_seconds{queue="memory"')).toBe(86_400);
    expect(watch.filling()).toEqual([{ queue: 'buffer', used: 600, max: 1_000, secondsLeft: 40 }]);
    pass(60, () => undefined);
    expect(watch.filling()).toEqual([]);
  });

  it('is as full as the fullest part, and fills as soon as the first one does', () => {
    const { watch, fill, pass } = watched();
    fill.buffer = [0, 900, 0];
    watch.sample();
    pass(60, (second) => (fill.buffer = [second * 5, 900, 0]));
    const [first] = watch.filling();
    expect(first).toMatchObject({ queue: 'buffer', used: 900 });
    expect(first?.secondsLeft).toBeGreaterThan(130);
    expect(first?.secondsLeft).toBeLessThan(150);
  });

  it('names nothing that is less than half full: it has time', () => {
    const { watch, fill, pass } = watched();
    watch.sample();
    pass(10, (second) => (fill.buffer = second * 40));
    expect(watch.filling()).toEqual([]);
    pass(5, (second) => (fill.buffer = 400 + second * 40));
    expect(watch.filling()).toMatchObject([{ queue: 'buffer', used: 600 }]);
  });

  it('shows nothing of a queue whose limit nobody here knows', async () => {
    const metrics = new Metrics('telemetry-writer');
    const queues = { buffer: { used: () => 5, max: null }, memory: { used: () => 5, max: 10 } };
    const watch = new QueueWatch({ metrics, process: 'telemetry-writer', queues });
    watch.sample();
    const text = await metrics.text();
    expect(text).toContain('breakwater_queue_used{queue="memory"');
    expect(text).not.toContain('queue="buffer"');
    expect(watch.filling()).toEqual([]);
  });

  it('names the first one first', () => {
    const { watch, fill, pass } = watched();
    watch.sample();
    pass(30, (second) => Object.assign(fill, { buffer: second * 20, memory: second * 3 }));
    expect(watch.filling().map(({ queue }) => queue)).toEqual(['memory', 'buffer']);
  });
});
