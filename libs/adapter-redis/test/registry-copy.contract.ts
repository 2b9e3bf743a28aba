import type { DeviceId, TenantId } from '@breakwater/twin';
import type { DeviceProfile } from '@breakwater/twin-runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import {
  COPY_BATCH_ENTRIES,
  RedisDeviceRegistry,
  RedisRegistryCopy,
  RedisTenantTrustStore,
  type RedisClient,
  type RegistryEntry,
} from '../src/index.ts';
import { redisServerAvailable } from '../src/testing/index.ts';
import { REDIS_SETUPS, RedisUnderTest } from './redis-under-test.ts';

const [acme, other] = ['acme', 'other'] as TenantId[] as [TenantId, TenantId];
const CHILDREN_MAX = 2;
const hub = 'hub' as DeviceId;
const id = (at: number): DeviceId => `d${at}` as DeviceId;
const hashOf = (name: string): string => `hash-of-${name}`;

(redisServerAvailable() ? describe : describe.skip).each(REDIS_SETUPS)('a copy of the registry on %s', (setup) => {
  const server = new RedisUnderTest(setup);
  let redis: RedisClient;
  let registry: RedisDeviceRegistry;
  let trust: RedisTenantTrustStore;
  let copy: RedisRegistryCopy;

  beforeAll(() => server.start());
  afterAll(() => server.stop());
  beforeEach(async () => {
    redis = await server.emptyConnection();
    registry = new RedisDeviceRegistry(redis);
    trust = new RedisTenantTrustStore(redis);
    copy = new RedisRegistryCopy(redis);
  });
  afterEach(() => redis.disconnect());

  async function taken(): Promise<readonly RegistryEntry[]> {
    const entries: RegistryEntry[] = [];
    for await (const entry of copy.read()) entries.push(entry);
    return entries;
  }

  async function lose(): Promise<void> {
    redis.disconnect();
    redis = await server.emptyConnection();
    registry = new RedisDeviceRegistry(redis);
    trust = new RedisTenantTrustStore(redis);
    copy = new RedisRegistryCopy(redis);
  }

  /** Outcomes that are not `written`, with what they are about. */
  async function restore(entries: readonly RegistryEntry[], as = 'written'): Promise<readonly unknown[]> {
    const found: unknown[] = [];
    for (let at = 0; at < entries.length; at += COPY_BATCH_ENTRIES) {
      const batch = entries.slice(at, at + COPY_BATCH_ENTRIES);
      const outcomes = await copy.restore(batch);
      found.push(...outcomes.flatMap((outcome, index) => (outcome === as ? [] : [[outcome, batch[index]]])));
    }
    return found;
  }

  async function fill(): Promise<void> {
    await registry.createTenant(acme, hashOf('acme'), 10);
    await registry.createTenant(other, hashOf('other'), 20);
    const profile: DeviceProfile = { payloadFormat: 'cbor', isGateway: true, via: null };
    await registry.createDevice(acme, hub, hashOf('hub'), 30, profile);
    for (let at = 0; at < CHILDREN_MAX; at += 1) {
      await registry.createChild(acme, { device: id(at), via: hub, nowMs: 40 + at }, { childrenMax: CHILDREN_MAX });
    }
    // Its third life; and one that is over.
    for (let life = 0; life < 3; life += 1) {
      await registry.deleteDevice(other, id(0));
      await registry.createDevice(other, id(0), hashOf(`other-${life}`), 50);
    }
    await registry.createDevice(other, id(1), hashOf('gone'), 60);
    await registry.deleteDevice(other, id(1));
    await trust.replaceDeviceCa(acme, { pem: 'CA', keyHashes: [hashOf('ca')] });
    await trust.replaceJwks(acme, '{"keys":[]}');
    // As a release without profiles stored it.
    await redis.hset('bw:{registry}:devices:other', 'old', `1 70 ${hashOf('old')}`);
    await redis.call('ZADD', 'bw:{registry}:devices:other:order', 0, 'old');
    await redis.hset('bw:{registry}:devices:other:incarnations', 'old', 1);
    await redis.hset('bw:{registry}:tokens', hashOf('old'), 'other/old');
  }

  it('brings everything back to an empty store, and who could prove itself can again', async () => {
    await fill();
    const before = await taken();
    const count = (kind: string): number => before.filter((entry) => entry.kind === kind).length;
    expect(['tenant', 'apiKey', 'trust', 'device', 'endedDevice'].map(count)).toEqual([2, 2, 1, 5, 1]);
    await lose();
    expect(await restore(before)).toEqual([]);
    expect(await taken()).toEqual(before);
    // Said again, as after one that was cut off, it changes nothing.
    expect(await restore(before, 'same')).toEqual([]);
    expect(await taken()).toEqual(before);

    expect(await registry.tenantOfApiKey(hashOf('acme'))).toBe(acme);
    expect(await registry.deviceOfToken(hashOf('other-2'))).toMatchObject({ tenant: other, incarnation: 3 });
    for (const lost of ['other-1', 'gone']) expect(await registry.deviceOfToken(hashOf(lost))).toBeNull();
    expect(await registry.findDevice(acme, hub)).toMatchObject({ profile: { payloadFormat: 'cbor', isGateway: true } });
    expect(await registry.listDevices(acme, null, 10)).toHaveLength(1 + CHILDREN_MAX);
    // The next life of an id is never one that records know.
    expect(await registry.createDevice(other, id(1), hashOf('new'), 80)).toMatchObject({ incarnation: 2 });
    // Children are counted again, and a CA's key still vouches for one tenant only.
    const child = { device: id(9), via: hub, nowMs: 90 };
    expect(await registry.createChild(acme, child, { childrenMax: CHILDREN_MAX })).toBe('CHILDREN_LIMIT');
    expect(await trust.replaceDeviceCa(other, { pem: 'X', keyHashes: [hashOf('ca')] })).toBe('CA_TAKEN');
    expect(await trust.changedAfter(0, 10)).toMatchObject({ changed: [{ tenant: acme, deviceCa: 'CA', crl: null }] });
  });

  it('replaces nothing that is there, and says what it left out', async () => {
    await fill();
    const before = await taken();
    await registry.rotateToken(acme, hub, hashOf('rotated'));
    await registry.deleteDevice(other, id(0));
    await registry.deleteDevice(acme, id(0));
    await registry.createDevice(other, 'thief' as DeviceId, hashOf('other-2'), 100);
    await trust.replaceDeviceCa(acme, null);
    const left = await restore(before, 'same');
    expect(left).toHaveLength(4);
    expect(left).toEqual(
      expect.arrayContaining([
        ['DIFFERS', expect.objectContaining({ kind: 'device', device: hub })],
        ['DELETED_SINCE', expect.objectContaining({ tenant: other, device: id(0) })],
        ['DELETED_SINCE', expect.objectContaining({ tenant: acme, device: id(0) })],
        ['DIFFERS', expect.objectContaining({ kind: 'trust' })],
      ]),
    );
    expect(await registry.deviceOfToken(hashOf('rotated'))).toMatchObject({ device: hub });
    expect(await trust.find(acme)).toMatchObject({ deviceCa: null });
  });

  it('gives a secret to nobody but its owner', async () => {
    await fill();
    const before = await taken();
    await lose();
    await registry.createTenant(acme, hashOf('other'), 1);
    await registry.createDevice(acme, 'thief' as DeviceId, hashOf('hub'), 1);
    await trust.replaceDeviceCa(other, { pem: 'X', keyHashes: [hashOf('ca')] });
    const left = (await restore(before)).filter((found) => (found as [string])[0] !== 'same');
    expect(left).toEqual([
      ['CREDENTIAL_TAKEN', expect.objectContaining({ kind: 'apiKey', tenant: other })],
      ['CREDENTIAL_TAKEN', expect.objectContaining({ kind: 'trust', tenant: acme })],
      ['CREDENTIAL_TAKEN', expect.objectContaining({ kind: 'device', device: hub })],
    ]);
    expect(await registry.tenantOfApiKey(hashOf('other'))).toBe(acme);
    expect(await registry.findDevice(acme, hub)).toBeNull();
  });

  it('reads more devices than one round trip carries, each once', async () => {
    await registry.createTenant(acme, hashOf('acme'), 10);
    const devices = 2 * COPY_BATCH_ENTRIES + 1;
    for (let at = 0; at < devices; at += 1) await registry.createDevice(acme, id(at), hashOf(`d${at}`), at);
    const before = await taken();
    const ids = before.flatMap((entry) => (entry.kind === 'device' ? [entry.device] : []));
    expect([ids.length, new Set(ids).size]).toEqual([devices, devices]);
    await lose();
    expect(await restore(before)).toEqual([]);
    expect(await taken()).toEqual(before);
  });
});
