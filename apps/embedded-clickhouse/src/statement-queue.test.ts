import { describe, expect, it } from '@jest/globals';

import { StatementQueue } from './statement-queue.ts';

function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

describe('a queue of statements', () => {
  it('starts them one after the other, in the order in which they came', async () => {
    const queue = new StatementQueue({ parallelMax: 1, lengthMax: 100 });
    const started: number[] = [];
    let running = 0;
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        queue
          .run(
            async () => {
              started.push(n);
              running += 1;
              expect(running).toBe(1);
              await new Promise(setImmediate);
              running -= 1;
              if (n % 7 === 0) throw new Error('a statement may fail');
            },
            () => false,
          )
          .catch(() => undefined),
      ),
    );
    expect(started).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect([queue.length, queue.running]).toEqual([0, 0]);
  });

  it('refuses one more than may wait, and takes it once there is room', async () => {
    const queue = new StatementQueue({ parallelMax: 1, lengthMax: 1 });
    const first = gate();
    const held = queue.run(
      () => first.opened,
      () => false,
    );
    const waiting = queue.run(
      async () => 'second',
      () => false,
    );
    await expect(
      queue.run(
        async () => 'third',
        () => false,
      ),
    ).rejects.toMatchObject({ code: 202, status: 503 });
    first.open();
    await held;
    expect(await waiting).toBe('second');
    expect(
      await queue.run(
        async () => 'third',
        () => false,
      ),
    ).toBe('third');
  });

  it('leaves out what nobody waits for any more', async () => {
    const queue = new StatementQueue({ parallelMax: 1, lengthMax: 2 });
    const first = gate();
    const held = queue.run(
      () => first.opened,
      () => false,
    );
    const abandoned = queue.run(
      async () => 'never',
      () => true,
    );
    first.open();
    await held;
    expect(await abandoned).toBeNull();
  });
});
