import { isDeviceId, type DeviceId, type Offset } from '@breakwater/twin';

/**
 * The public id of an API write. It holds all that is needed to ask for it later, so that nothing is stored for it: the
 * device, the place of its record in the control lane (what tells "not yet applied" from "long forgotten"), and the key
 * by which the twin remembers it. It gives no rights: the tenant always comes from the caller.
 */
export interface OperationPlace {
  readonly device: DeviceId;
  readonly offset: Offset;
  readonly key: string;
}

const OPERATION_KEY = /^[\x21-\x7e]{1,128}$/;
const OPERATION_ID = /^op-([0-9a-z]{1,11})-([A-Za-z0-9_-]{2,700})$/;
const SEPARATOR = '/';

export function isOperationKey(text: string): boolean {
  return OPERATION_KEY.test(text);
}

export function operationIdOf(place: OperationPlace): string {
  const tail = Buffer.from(`${place.device}${SEPARATOR}${place.key}`, 'latin1').toString('base64url');
  return `op-${place.offset.toString(36)}-${tail}`;
}

/** Null for everything that `operationIdOf` cannot have made. */
export function parseOperationId(id: string): OperationPlace | null {
  const match = OPERATION_ID.exec(id);
  if (match === null) return null;
  const offset = Number.parseInt(match[1] as string, 36);
  const text = Buffer.from(match[2] as string, 'base64url').toString('latin1');
  const slash = text.indexOf(SEPARATOR);
  const device = text.slice(0, slash);
  const key = text.slice(slash + 1);
  if (slash < 1 || !isDeviceId(device) || !isOperationKey(key) || !Number.isSafeInteger(offset)) return null;
  const place = { device, offset: offset as Offset, key };
  return operationIdOf(place) === id ? place : null;
}
