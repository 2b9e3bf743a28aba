import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceKey } from '@breakwater/twin';

import type { CommandHint, CommandHints } from '../ports/command-hints.ts';
import { type ContractHarness, type HarnessMaker, passOf } from './contract-harness.ts';

const TRIES_MAX = 200;
const ONE: CommandHint = { key: 'default/pump-1' as DeviceKey, commandId: 'c1' };
const TWO: CommandHint = { key: 'default/pump-2' as DeviceKey, commandId: 'c2' };

/** What every carrier of command hints must do. */
export function commandHintsContract(name: string, maker: HarnessMaker<CommandHints>): void {
  describe(`command hints contract: ${name}`, () => {
    let harness: ContractHarness<CommandHints>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());

    it('tells every listener of every hint, until it stops listening', async () => {
      const first: CommandHint[] = [];
      const second: CommandHint[] = [];
      const stopFirst = await harness.port.subscribe((hint) => first.push(hint));
      const stopSecond = await harness.port.subscribe((hint) => second.push(hint));
      await harness.port.publish([]);
      await harness.port.publish([ONE, TWO]);
      await until(() => first.length === 2 && second.length === 2);
      expect(first).toEqual([ONE, TWO]);
      await stopFirst();
      await harness.port.publish([ONE]);
      await until(() => second.length === 3);
      expect(first).toHaveLength(2);
      await stopSecond();
    });

    async function until(condition: () => boolean): Promise<void> {
      for (let tries = 0; tries < TRIES_MAX && !condition(); tries++) await passOf(harness)(20);
      expect(condition()).toBe(true);
    }
  });
}
