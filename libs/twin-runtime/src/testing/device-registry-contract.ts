import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceId, TenantId } from '@breakwater/twin';

import { DEFAULT_DEVICE_PROFILE, type DeviceRegistry, type RegisteredDevice } from '../ports/device-registry.ts';
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
    profiles(current);
    children(current);
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
    expect(created).toEqual({
      tenant: TENANT,
      device: DEVICE,
      incarnation: 1,
      createdAtMs: NOW_MS,
      profile: DEFAULT_DEVICE_PROFILE,
    });
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

const GATEWAY = 'gw-1' as DeviceId;
const OTHER_GATEWAY = 'gw-2' as DeviceId;
const CHILD = 'child-1' as DeviceId;

function profiles(current: () => DeviceRegistry): void {
  it('keeps the profile of a device, and changes what is given of it', async () => {
    const given = { payloadFormat: 'cbor', isGateway: true, via: null } as const;
    const created = await current().createDevice(TENANT, GATEWAY, 'token-1', NOW_MS, given);
    expect(created).toMatchObject({ profile: given });
    expect(await current().findDevice(TENANT, GATEWAY)).toEqual(created);
    const update = { profile: { payloadFormat: 'json' }, childrenMax: 1 } as const;
    const updated = await current().updateProfile(TENANT, GATEWAY, update);
    expect(updated).toMatchObject({ incarnation: 1, profile: { payloadFormat: 'json', isGateway: true, via: null } });
    expect(await current().deviceOfToken('token-1')).toEqual(updated);
    expect((await current().listDevices(TENANT, null, 10))[0]).toEqual(updated);
    await current().rotateToken(TENANT, GATEWAY, 'token-2');
    expect(await current().deviceOfToken('token-2')).toEqual(updated);
    expect(await current().updateProfile(TENANT, DEVICE, update)).toBeNull();
  });
}

function children(current: () => DeviceRegistry): void {
  const childOf = (via: DeviceId, device: string) => ({ device: device as DeviceId, via, nowMs: NOW_MS });

  it('creates a child without a token, as many as its gateway may have', async () => {
    const created = await current().createChild(TENANT, childOf(GATEWAY, CHILD), { childrenMax: 2 });
    expect(created).toMatchObject({ device: CHILD, incarnation: 1, profile: { via: GATEWAY, isGateway: false } });
    expect(await current().findDevice(TENANT, CHILD)).toEqual(created);
    expect(await current().createChild(TENANT, childOf(GATEWAY, CHILD), { childrenMax: 2 })).toBe('DEVICE_EXISTS');
    await current().createChild(TENANT, childOf(GATEWAY, 'child-2'), { childrenMax: 2 });
    const third = childOf(GATEWAY, 'child-3');
    expect(await current().createChild(TENANT, third, { childrenMax: 2 })).toBe('CHILDREN_LIMIT');
    // Neither the children of another gateway count, nor those of a gateway of the same name elsewhere.
    expect(await current().createChild(TENANT, childOf(OTHER_GATEWAY, 'child-9'), { childrenMax: 1 })).toBeTruthy();
    expect(await current().createChild(STRANGER, third, { childrenMax: 1 })).toMatchObject({ tenant: STRANGER });
    await current().deleteDevice(TENANT, CHILD);
    expect(await current().createChild(TENANT, third, { childrenMax: 2 })).toMatchObject({ device: 'child-3' });
    expect(await current().createChild(TENANT, childOf(GATEWAY, CHILD), { childrenMax: 2 })).toBe('CHILDREN_LIMIT');
  });

  it('gives a child a token of its own when it is rotated', async () => {
    await current().createChild(TENANT, childOf(GATEWAY, CHILD), { childrenMax: 1 });
    await current().createChild(TENANT, childOf(GATEWAY, 'child-2'), { childrenMax: 2 });
    const rotated = await current().rotateToken(TENANT, CHILD, 'token-c');
    expect(await current().deviceOfToken('token-c')).toEqual(rotated);
    expect(rotated).toMatchObject({ profile: { via: GATEWAY } });
    await current().deleteDevice(TENANT, CHILD);
    expect(await current().deviceOfToken('token-c')).toBeNull();
    expect(await current().findDevice(TENANT, 'child-2' as DeviceId)).not.toBeNull();
  });

  it('moves a device to a gateway, to another one and away, within the limit of each', async () => {
    const moved = (via: DeviceId | null) =>
      current().updateProfile(TENANT, DEVICE, { profile: { via }, childrenMax: 1 });
    await current().createDevice(TENANT, DEVICE, 'token-1', NOW_MS);
    await current().createChild(TENANT, childOf(OTHER_GATEWAY, CHILD), { childrenMax: 1 });
    expect(await moved(GATEWAY)).toMatchObject({ profile: { via: GATEWAY } });
    // It is there already, so the limit does not concern it.
    expect(await moved(GATEWAY)).toMatchObject({ profile: { via: GATEWAY } });
    expect(await moved(OTHER_GATEWAY)).toBe('CHILDREN_LIMIT');
    expect(await current().findDevice(TENANT, DEVICE)).toMatchObject({ profile: { via: GATEWAY } });
    await current().deleteDevice(TENANT, CHILD);
    expect(await moved(OTHER_GATEWAY)).toMatchObject({ profile: { via: OTHER_GATEWAY } });
    expect(await current().createChild(TENANT, childOf(GATEWAY, CHILD), { childrenMax: 1 })).toMatchObject({
      device: CHILD,
    });
    expect(await moved(null)).toMatchObject({ profile: { via: null } });
    expect(await current().deviceOfToken('token-1')).toMatchObject({ device: DEVICE, profile: { via: null } });
  });
}
