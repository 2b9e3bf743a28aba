import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Refusal, RefusalCounts } from '../ports/refusal-counts.ts';
import { OTHER_TENANTS } from '../sharding/outcome-tally.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

/** Caps small enough for a test to reach. */
export interface RefusalCountsContractOptions {
  readonly linesMax: number;
}

const OPTIONS: RefusalCountsContractOptions = { linesMax: 3 };

/** What every store of these counts must do. `make` answers an empty one. */
export function refusalCountsContract(
  name: string,
  maker: HarnessMaker<RefusalCounts, RefusalCountsContractOptions>,
): void {
  describe(`refusal counts contract: ${name}`, () => {
    let harness: ContractHarness<RefusalCounts>;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
    });
    afterEach(() => harness.cleanup());

    it('adds up by tenant and reason, over all flushers', async () => {
      const { port } = harness;
      expect(await port.read()).toEqual([]);
      await port.add({
        flusherId: 'a',
        seq: 1,
        refusals: [line('acme', 'shed.queue', 2), line('acme', 'shed.rate', 1)],
      });
      await port.add({ flusherId: 'b', seq: 1, refusals: [line('acme', 'shed.queue', 3)] });
      await port.add({ flusherId: 'a', seq: 2, refusals: [line('(unknown)', 'shed.queue', 1)] });
      expect(await sorted(port)).toEqual([
        line('(unknown)', 'shed.queue', 1),
        line('acme', 'shed.queue', 5),
        line('acme', 'shed.rate', 1),
      ]);
    });

    it('counts a flush once, however often it comes', async () => {
      const { port } = harness;
      const flush = { flusherId: 'a', seq: 1, refusals: [line('acme', 'shed.queue', 2)] };
      await port.add(flush);
      await port.add(flush);
      await port.add({ flusherId: 'a', seq: 2, refusals: [line('acme', 'shed.queue', 1)] });
      await port.add(flush);
      expect(await port.read()).toEqual([line('acme', 'shed.queue', 3)]);
    });

    it('puts tenants together when there are too many lines', async () => {
      const { port } = harness;
      const refusals = ['a', 'b', 'c', 'd', 'e', 'a'].map((tenant) => line(tenant, 'r', 1));
      await port.add({ flusherId: 'x', seq: 1, refusals });
      expect(await sorted(port)).toEqual([
        line(OTHER_TENANTS, 'r', 2),
        line('a', 'r', 2),
        line('b', 'r', 1),
        line('c', 'r', 1),
      ]);
    });
  });
}

function line(tenant: string, reason: string, count: number): Refusal {
  return { tenant, reason, count };
}

async function sorted(port: RefusalCounts): Promise<readonly Refusal[]> {
  const text = ({ tenant, reason }: Refusal): string => `${tenant} ${reason}`;
  return [...(await port.read())].sort((one, other) => (text(one) < text(other) ? -1 : 1));
}
