import { describe, expect, it } from '@jest/globals';

import { answersTo, type CommandStep, methodOf } from './command-answers.ts';

describe('the answers of a simulated device', () => {
  it('are a success most of the time, a failure now and then, and progress first when they take a while', () => {
    const ends = { SUCCEEDED: 0, FAILED: 0, slow: 0 };
    for (let nth = 1; nth <= 100; nth++) {
      const steps = answersTo(nth, 'reboot', false);
      const last = steps.at(-1) as CommandStep;
      const { status } = last.payload as { status: 'SUCCEEDED' | 'FAILED' };
      ends[status] += 1;
      if (steps.length > 1) {
        ends.slow += 1;
        expect(steps.map(({ tail }) => tail)).toEqual(['progress', 'response']);
      }
    }
    expect(ends).toEqual({ SUCCEEDED: 97, FAILED: 3, slow: 5 });
    expect(answersTo(1, 'reboot', false)).toMatchObject([{ payload: { status: 'SUCCEEDED' } }]);
  });

  it('are all prompt successes for a benchmark', () => {
    for (let nth = 1; nth <= 200; nth++) {
      expect(answersTo(nth, 'reboot', true)).toMatchObject([{ afterMs: 0, payload: { status: 'SUCCEEDED' } }]);
    }
  });

  it('are given to nothing that is no request', () => {
    expect(methodOf('{"method":"reboot"}')).toBe('reboot');
    for (const payload of ['', 'x', '[]', '{"method":1}']) expect(methodOf(payload)).toBeNull();
  });
});
