/** A type that the compiler keeps apart from every other use of `T`, so that two ids cannot be swapped. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };

/** `[a-z0-9-]{1,63}` */
export type TenantId = Brand<string, 'TenantId'>;
/** `[A-Za-z0-9_.:-]{1,128}`, never `me`. */
export type DeviceId = Brand<string, 'DeviceId'>;
/** Number of a log partition, from 0; a shard has the number of its partition. */
export type Partition = Brand<number, 'Partition'>;
/** Place of a record within one lane of one partition: contiguous, from 0. */
export type Offset = Brand<number, 'Offset'>;
/** One ownership period of a shard: `<counter>:<random id of the owner>`. Compared for equality only. */
export type Epoch = Brand<string, 'Epoch'>;
/** Random id of one life of the log. Minted when the log is created or restored. */
export type LogId = Brand<string, 'LogId'>;
/** Number of one connection of a device; only grows. */
export type SessionEpoch = Brand<number, 'SessionEpoch'>;
/** Number of one life of a device id, from create to delete; only grows. */
export type Incarnation = Brand<number, 'Incarnation'>;

/** The key of a twin, a session and a log record: the tenant is always part of it. */
export type DeviceKey = Brand<string, 'DeviceKey'>;

const TENANT_PATTERN = /^[a-z0-9-]{1,63}$/;
const DEVICE_PATTERN = /^[A-Za-z0-9_.:-]{1,128}$/;
const SELF = 'me';

export function isTenantId(text: string): text is TenantId {
  return TENANT_PATTERN.test(text);
}

export function isDeviceId(text: string): text is DeviceId {
  return text !== SELF && DEVICE_PATTERN.test(text);
}

/** `tenant/device`; neither part can hold a slash, so the key is unambiguous. */
export function deviceKey(tenant: TenantId, device: DeviceId): DeviceKey {
  return `${tenant}/${device}` as DeviceKey;
}

export function splitDeviceKey(key: DeviceKey): { tenant: TenantId; device: DeviceId } {
  const slash = key.indexOf('/');
  return { tenant: key.slice(0, slash) as TenantId, device: key.slice(slash + 1) as DeviceId };
}
