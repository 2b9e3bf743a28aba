import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceId, TenantId } from '@breakwater/twin';

import type { DeviceRegistry, RegisteredDevice } from '../ports/device-registry.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

const TENANT = 'acme' as TenantId;
const STRANGER = 'other' as TenantId;
const DEVICE = 'pump-1' as DeviceId;
const NOW_MS = 1_790_000_000_000;

/** What every device registry must do. */
export function deviceRegistryContract(name: string, maker: HarnessMaker<DeviceRegistry>): void {
  describe(`device registry contract: ${name}`, () => {
    let harness: ContractHarness<DeviceRegistry>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());
    const current = (): DeviceRegistry => harness.port;
    tenants(current);
    devices(current);
    tokens(current);
  });
}

function tenants(current: () => DeviceRegistry): void {
  it('creates a tenant once and knows its key', async () => {
    expect(await current().tenantExists(TENANT)).toBe(false);
    expect(await current().createTenant(TENANT, 'hash-1', NOW_MS)).toEqual({ tenant: TENANT, createdAtMs: NOW_MS });
    expect(await current().createTenant(TENANT, 'hash-2', NOW_MS)).toBe('TENANT_EXISTS');
    expect(await current().tenantExists(TENANT)).toBe(true);
    expect(await current().tenantOfApiKey('hash-1')).toBe(TENANT);
    expect(await current().tenantOfApiKey('hash-2')).toBeNull();
  });
}

function devices(current: () => DeviceRegistry): void {
  it('creates a device once per tenant', async () => {
    const created = await current().createDevice(TENANT, DEVICE, 'token-1', NOW_MS);
    expect(created).toEqual({ tenant: TENANT, device: DEVICE, incarnation: 1, createdAtMs: NOW_MS });
    expect(await current().createDevice(TENANT, DEVICE, 'token-2', NOW_MS)).toBe('DEVICE_EXISTS');
    expect(await current().createDevice(STRANGER, DEVICE, 'token-3', NOW_MS)).toMatchObject({ tenant: STRANGER });
    expect(await current().findDevice(TENANT, DEVICE)).toEqual(created);
    expect(await current().findDevice(TENANT, 'nothing' as DeviceId)).toBeNull();
    expect(await current().deviceOfToken('token-2')).toBeNull();
  });

  it('ends an incarnation with a delete, and starts a higher one with the next create', async () => {
    await current().createDevice(TENANT, DEVICE, 'token-1', NOW_MS);
    expect(await current().deleteDevice(TENANT, DEVICE)).toMatchObject({ incarnation: 1 });
    expect(await current().findDevice(TENANT, DEVICE)).toBeNull();
    expect(await current().deviceOfToken('token-1')).toBeNull();
    expect(await current().deleteDevice(TENANT, DEVICE)).toBeNull();
    expect(await current().createDevice(TENANT, DEVICE, 'token-2', NOW_MS)).toMatchObject({ incarnation: 2 });
  });

  it('lists devices of one tenant by id, page by page', async () => {
    const ids = ['a', 'B', 'c-1', 'c.2', 'd:3', '_e'];
    for (const id of ids) await current().createDevice(TENANT, id as DeviceId, `token-${id}`, NOW_MS);
    await current().createDevice(STRANGER, 'aa' as DeviceId, 'token-x', NOW_MS);
    await current().createDevice(TENANT, 'gone' as DeviceId, 'token-gone', NOW_MS);
    await current().deleteDevice(TENANT, 'gone' as DeviceId);
    const listed: RegisteredDevice[] = [];
    let after: string | null = null;
    for (let page = 0; page < ids.length; page++) {
      const devicesOfPage: readonly RegisteredDevice[] = await current().listDevices(TENANT, after, 4);
      listed.push(...devicesOfPage);
      after = devicesOfPage.at(-1)?.device ?? after;
    }
    expect(listed.map(({ device }) => device)).toEqual([...ids].sort());
    expect(listed[0]).toMatchObject({ tenant: TENANT, incarnation: 1, createdAtMs: NOW_MS });
  });
}

function tokens(current: () => DeviceRegistry): void {
  it('knows the device of a token, and after a rotation only of the new one', async () => {
    const created = await current().createDevice(TENANT, DEVICE, 'token-1', NOW_MS);
    expect(await current().deviceOfToken('token-1')).toEqual(created);
    expect(await current().rotateToken(TENANT, DEVICE, 'token-2')).toEqual(created);
    expect(await current().deviceOfToken('token-1')).toBeNull();
    expect(await current().deviceOfToken('token-2')).toEqual(created);
    expect(await current().rotateToken(TENANT, 'nothing' as DeviceId, 'token-3')).toBeNull();
    expect(await current().deviceOfToken('token-3')).toBeNull();
  });
}
