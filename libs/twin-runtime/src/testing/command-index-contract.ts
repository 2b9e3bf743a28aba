import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceId, TenantId } from '@breakwater/twin';

import type { CommandIndex } from '../ports/command-index.ts';
import { type ContractHarness, type HarnessMaker, passOf } from './contract-harness.ts';

const TENANT = 'default' as TenantId;
const OTHER = 'other' as TenantId;
const CLAIM = { device: 'pump-1' as DeviceId, bodyDigest: 'b1', deadlineMs: 7, claimedAtMs: 5 };
const LATER = { device: 'pump-2' as DeviceId, bodyDigest: 'b2', deadlineMs: 8, claimedAtMs: 6 };
const LONG_MS = 3_600_000;
const SHORT_MS = 50;
const TRIES_MAX = 200;

/** What every index of command ids must do. */
export function commandIndexContract(name: string, maker: HarnessMaker<CommandIndex>): void {
  describe(`command index contract: ${name}`, () => {
    let harness: ContractHarness<CommandIndex>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());

    it('gives an id to the first who claims it, tenant by tenant', async () => {
      const { port } = harness;
      expect(await port.find(TENANT, 'c1')).toBeNull();
      expect(await port.claim(TENANT, 'c1', CLAIM, LONG_MS)).toBeNull();
      expect(await port.claim(TENANT, 'c1', LATER, LONG_MS)).toEqual(CLAIM);
      expect(await port.claim(TENANT, 'c1', { ...CLAIM, deadlineMs: 9 }, LONG_MS)).toEqual(CLAIM);
      expect(await port.find(TENANT, 'c1')).toEqual(CLAIM);
      expect(await port.claim(OTHER, 'c1', LATER, LONG_MS)).toBeNull();
      expect(await port.find(OTHER, 'c1')).toEqual(LATER);
    });

    it('gives an id to exactly one of many who claim it at once', async () => {
      const claims = Array.from({ length: 20 }, (_, index) => ({ ...CLAIM, bodyDigest: `b${index}` }));
      const answers = await Promise.all(claims.map((claim) => harness.port.claim(TENANT, 'c1', claim, LONG_MS)));
      expect(answers.filter((answer) => answer === null)).toHaveLength(1);
    });

    it('forgets a claim that was released, and one whose time is over', async () => {
      const { port } = harness;
      await port.claim(TENANT, 'c1', CLAIM, LONG_MS);
      await port.release(TENANT, 'c1');
      expect(await port.claim(TENANT, 'c1', LATER, SHORT_MS)).toBeNull();
      let found = await port.find(TENANT, 'c1');
      for (let tries = 0; tries < TRIES_MAX && found !== null; tries++) {
        await passOf(harness)(SHORT_MS);
        found = await port.find(TENANT, 'c1');
      }
      expect(found).toBeNull();
    });
  });
}
