import { MemoryRefusalCounts } from '@breakwater/adapter-memory';
import { type RefusalFlush, systemClock } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import { RefusalTally } from './refusal-tally.ts';

/** Stores the flush and then loses its answer, as often as told. */
class ForgetfulCounts extends MemoryRefusalCounts {
  lostAnswers = 0;

  override async add(flush: RefusalFlush): Promise<void> {
    await super.add(flush);
    if (this.lostAnswers-- > 0) throw new Error('the answer was lost');
  }
}

function tallyOn(counts: MemoryRefusalCounts, troubles: unknown[] = []) {
  const onTrouble = (error: unknown) => void troubles.push(error);
  return new RefusalTally({ counts, clock: systemClock, flusherId: 'gw-1', onTrouble });
}

describe('what is refused before the log', () => {
  it('is added up by tenant and reason', async () => {
    const counts = new MemoryRefusalCounts();
    const tally = tallyOn(counts);
    for (let at = 0; at < 3; at += 1) tally.count('acme', 'shed.queue');
    tally.count('other', 'shed.queue');
    await tally.flush();
    tally.count('acme', 'shed.queue');
    await tally.stop();
    expect(await counts.read()).toEqual([
      { tenant: 'acme', reason: 'shed.queue', count: 4 },
      { tenant: 'other', reason: 'shed.queue', count: 1 },
    ]);
  });

  it('is counted once when the answer to a flush is lost, and what came meanwhile is not lost', async () => {
    const counts = new ForgetfulCounts();
    const troubles: unknown[] = [];
    const tally = tallyOn(counts, troubles);
    counts.lostAnswers = 2;
    tally.count('acme', 'shed.rate');
    await tally.flush();
    tally.count('acme', 'shed.rate');
    await tally.flush();
    await tally.flush();
    await tally.flush();
    expect(troubles).toHaveLength(2);
    expect(await counts.read()).toEqual([{ tenant: 'acme', reason: 'shed.rate', count: 2 }]);
  });

  it('has so many lines and no more', async () => {
    const counts = new MemoryRefusalCounts();
    const tally = tallyOn(counts);
    for (let at = 0; at < 1_002; at += 1) tally.count(`t-${at}`, 'shed.queue');
    await tally.flush();
    const lines = await counts.read();
    expect(lines).toHaveLength(1_001);
    expect(lines.at(-1)).toEqual({ tenant: '(others)', reason: 'shed.queue', count: 2 });
  });
});
