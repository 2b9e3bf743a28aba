import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceKey, Partition } from '@breakwater/twin';

import type { CommandSignal, CommandSignals } from '../ports/command-signals.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

export interface CommandSignalsContractOptions {
  readonly signalsMax: number;
}

const OPTIONS: CommandSignalsContractOptions = { signalsMax: 5 };
const P0 = 0 as Partition;
const P1 = 1 as Partition;

/** What every durable queue of command signals must do. */
export function commandSignalsContract(
  name: string,
  maker: HarnessMaker<CommandSignals, CommandSignalsContractOptions>,
): void {
  describe(`command signals contract: ${name}`, () => {
    let harness: ContractHarness<CommandSignals>;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
    });
    afterEach(() => harness.cleanup());

    it('keeps signals in order until they are confirmed, each partition for itself', async () => {
      const { port } = harness;
      expect(await port.push(P0, [signal('a'), signal('b', 'Grüße {"x":1}')])).toBe(true);
      expect(await port.push(P0, [signal('c')])).toBe(true);
      expect(await port.push(P1, [signal('d')])).toBe(true);
      expect(await port.read(P0, 2)).toEqual([signal('a'), signal('b', 'Grüße {"x":1}')]);
      await port.confirm(P0, ['a', 'no such']);
      expect(await port.read(P0, 10)).toEqual([signal('b', 'Grüße {"x":1}'), signal('c')]);
      expect(await port.read(P1, 10)).toEqual([signal('d')]);
      await port.confirm(P1, []);
      expect(await port.read(P1, 10)).toHaveLength(1);
    });

    it('takes a signal that is pushed again for the same one, in its old place', async () => {
      const { port } = harness;
      await port.push(P0, [signal('a'), signal('b')]);
      expect(await port.push(P0, [signal('a')])).toBe(true);
      expect((await port.read(P0, 10)).map(({ id }) => id)).toEqual(['a', 'b']);
    });

    it('takes all of a push or nothing, and has room again after a confirmation', async () => {
      const { port } = harness;
      expect(
        await port.push(
          P0,
          ['a', 'b', 'c', 'd'].map((id) => signal(id)),
        ),
      ).toBe(true);
      expect(await port.push(P0, [signal('e'), signal('f')])).toBe(false);
      expect(await port.read(P0, 10)).toHaveLength(4);
      // What is in it already takes no room.
      expect(await port.push(P0, [signal('a'), signal('b'), signal('e')])).toBe(true);
      expect(await port.push(P0, [signal('f')])).toBe(false);
      await port.confirm(P0, ['a']);
      expect(await port.push(P0, [signal('f')])).toBe(true);
    });
  });
}

function signal(id: string, document = `{"id":"${id}"}`): CommandSignal {
  return { id, key: 'default/d1' as DeviceKey, commandId: `command ${id}`, document };
}
