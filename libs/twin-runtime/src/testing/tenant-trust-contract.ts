import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { TenantId } from '@breakwater/twin';

import type { TenantTrust, TenantTrustStore } from '../ports/tenant-trust.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

const TENANT = 'acme' as TenantId;
const STRANGER = 'other' as TenantId;

/** What every store of the trust of tenants must do. */
export function tenantTrustContract(name: string, maker: HarnessMaker<TenantTrustStore>): void {
  describe(`tenant trust contract: ${name}`, () => {
    let harness: ContractHarness<TenantTrustStore>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());
    const current = (): TenantTrustStore => harness.port;
    parts(current);
    keys(current);
    changes(current);
  });
}

function parts(current: () => TenantTrustStore): void {
  it('keeps each part of a tenant until it is replaced or taken away', async () => {
    expect(await current().find(TENANT)).toBeNull();
    expect(await current().replaceDeviceCa(TENANT, { pem: 'ca 1', keyHashes: ['k1'] })).toBe('replaced');
    await current().replaceCrl(TENANT, 'crl 1');
    await current().replaceJwks(TENANT, '{"keys":[]}');
    const whole = { tenant: TENANT, deviceCa: 'ca 1', crl: 'crl 1', jwks: '{"keys":[]}' };
    expect(await current().find(TENANT)).toEqual(whole);
    await current().replaceCrl(TENANT, 'crl 2');
    await current().replaceJwks(TENANT, null);
    expect(await current().find(TENANT)).toEqual({ ...whole, crl: 'crl 2', jwks: null });
    await current().replaceDeviceCa(TENANT, null);
    await current().replaceCrl(TENANT, null);
    expect(await current().find(TENANT)).toEqual({ tenant: TENANT, deviceCa: null, crl: null, jwks: null });
    expect(await current().find(STRANGER)).toBeNull();
  });
}

function keys(current: () => TenantTrustStore): void {
  it('lets the key of a CA vouch for one tenant only, and changes nothing when it does already', async () => {
    await current().replaceDeviceCa(TENANT, { pem: 'mine', keyHashes: ['k1', 'k2'] });
    const before = await current().changedAfter(0, 10);
    expect(await current().replaceDeviceCa(STRANGER, { pem: 'theirs', keyHashes: ['k3', 'k2'] })).toBe('CA_TAKEN');
    expect(await current().changedAfter(0, 10)).toEqual(before);
    // The refused one has not reserved its other key either.
    expect(await current().replaceDeviceCa(TENANT, { pem: 'mine', keyHashes: ['k2', 'k3'] })).toBe('replaced');
    expect(await current().replaceDeviceCa(STRANGER, { pem: 'theirs', keyHashes: ['k3'] })).toBe('CA_TAKEN');
    // A key that was given up is free.
    expect(await current().replaceDeviceCa(STRANGER, { pem: 'theirs', keyHashes: ['k1'] })).toBe('replaced');
    await current().replaceDeviceCa(TENANT, null);
    expect(await current().replaceDeviceCa(STRANGER, { pem: 'both', keyHashes: ['k1', 'k2'] })).toBe('replaced');
  });
}

function changes(current: () => TenantTrustStore): void {
  it('tells of each tenant that changed after a cursor, page by page, and of none that did not', async () => {
    expect(await current().changedAfter(0, 10)).toEqual({ changed: [], cursor: 0, version: 0 });
    const tenants = Array.from({ length: 5 }, (_, index) => `t-${index}` as TenantId);
    for (const tenant of tenants) await current().replaceJwks(tenant, `{"of":"${tenant}"}`);
    await current().replaceJwks(tenants[1]!, '{"of":"changed"}');
    const seen: TenantTrust[] = [];
    let cursor = 0;
    for (let page = 0; page < 3; page += 1) {
      const next = await current().changedAfter(cursor, 2);
      seen.push(...next.changed);
      expect(next.version).toBe(6);
      cursor = next.cursor;
    }
    expect(seen.map(({ tenant }) => tenant)).toEqual(['t-0', 't-2', 't-3', 't-4', 't-1']);
    expect(seen.at(-1)).toEqual({ tenant: 't-1', deviceCa: null, crl: null, jwks: '{"of":"changed"}' });
    expect(await current().changedAfter(cursor, 2)).toEqual({ changed: [], cursor, version: cursor });
    await current().replaceJwks(tenants[3]!, null);
    const last = await current().changedAfter(cursor, 2);
    expect(last.changed).toEqual([{ tenant: 't-3', deviceCa: null, crl: null, jwks: null }]);
    expect(last.cursor).toBe(last.version);
  });
}
