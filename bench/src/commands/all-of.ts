/** Does `count` things, `atOnce` of them at the same time: when one is done the next begins. */
export async function allOf(count: number, atOnce: number, act: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      await act(at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, atOnce) }, lane));
}

/** Does things at a fixed rate, however slow they are, and waits for the last of them. Answers how many. */
export async function atRate(perSecond: number, seconds: number, act: (at: number) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  const under: Promise<void>[] = [];
  const total = Math.round(perSecond * seconds);
  while (under.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
    while (under.length < due) under.push(act(under.length));
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
  }
  await Promise.all(under);
  return total;
}

const ROUND_MS = 5;
