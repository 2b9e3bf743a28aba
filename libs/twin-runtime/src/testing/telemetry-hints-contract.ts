import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceKey, Partition } from '@breakwater/twin';

import { TELEMETRY_HINT_KEYS_MAX, type TelemetryHints } from '../ports/telemetry-hints.ts';
import { type ContractHarness, type HarnessMaker, passOf } from './contract-harness.ts';

type Heard = readonly [who: string, partition: Partition, keys: readonly DeviceKey[]];

const TRIES_MAX = 200;

/** What every carrier of telemetry hints must do. */
export function telemetryHintsContract(name: string, maker: HarnessMaker<TelemetryHints>): void {
  describe(`telemetry hints contract: ${name}`, () => {
    let harness: ContractHarness<TelemetryHints>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());

    it('tells every listener of every partition, until it stops listening', async () => {
      const heard: Heard[] = [];
      const stopOne = await harness.port.subscribe((partition, keys) => heard.push(['one', partition, keys]));
      const stopTwo = await harness.port.subscribe((partition, keys) => heard.push(['two', partition, keys]));
      await harness.port.publish(THIRD, KEYS);
      await until(() => heard.length >= 2);
      expect([...heard].sort(byListener)).toEqual([
        ['one', THIRD, KEYS],
        ['two', THIRD, KEYS],
      ]);
      await stopOne();
      await harness.port.publish(FIRST, KEYS);
      await until(() => heard.length >= 3);
      expect(heard[2]).toEqual(['two', FIRST, KEYS]);
      await stopTwo();
      await harness.port.publish(FIRST, KEYS);
      await passOf(harness)(20);
      expect(heard.length).toBe(3);
    });

    it('sends no message without keys, and bounds the keys of one', async () => {
      const heard: Heard[] = [];
      await harness.port.subscribe((partition, keys) => heard.push(['one', partition, keys]));
      const many = Array.from({ length: TELEMETRY_HINT_KEYS_MAX + 1 }, (_, index) => `default/d${index}` as DeviceKey);
      await harness.port.publish(FIRST, []);
      await harness.port.publish(THIRD, many);
      await until(() => heard.length >= 1);
      expect(heard).toEqual([['one', THIRD, many.slice(0, TELEMETRY_HINT_KEYS_MAX)]]);
    });

    async function until(condition: () => boolean): Promise<void> {
      for (let tries = 0; tries < TRIES_MAX && !condition(); tries++) await passOf(harness)(20);
      expect(condition()).toBe(true);
    }
  });
}

const byListener = ([one]: Heard, [other]: Heard): number => one.localeCompare(other);

const FIRST = 0 as Partition;
const THIRD = 2 as Partition;
const KEYS = ['default/pump-1', 'default/pump-2'] as DeviceKey[];
