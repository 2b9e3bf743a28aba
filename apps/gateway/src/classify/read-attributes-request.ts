import type { JsonObject, JsonValue } from '@breakwater/twin';
import { LIMITS, type RecordMessage } from '@breakwater/wire';

import { PayloadRefused } from './payload-refused.ts';
import { type EncodedPayload, readPayload } from './read-payload.ts';

/** A request id is a 32-bit integer in ThingsBoard. */
const REQUEST_ID_MAX = 2_147_483_647;

/** What a gateway device asks of one of its children. */
export interface ChildAttributesRequest {
  readonly child: string;
  readonly message: RecordMessage;
}

/**
 * A device's own request: `{"clientKeys":"a,b","sharedKeys":"c"}`; without keys, or without a payload, for everything.
 * @throws PayloadRefused
 */
export function readAttributesRequest(requestId: number, encoded: EncodedPayload): RecordMessage {
  if (requestId > REQUEST_ID_MAX) throw new PayloadRefused('TOPIC_UNKNOWN', 'the request id has more than 32 bits');
  if (encoded.payload.byteLength === 0) return { kind: 'getAttributes', requestId };
  const request = objectOf(readPayload(encoded));
  const clientKeys = keyListOf(request['clientKeys'], 'clientKeys');
  const sharedKeys = keyListOf(request['sharedKeys'], 'sharedKeys');
  return {
    kind: 'getAttributes',
    requestId,
    ...(clientKeys && { clientKeys }),
    ...(sharedKeys && { sharedKeys }),
  };
}

/**
 * A gateway device's: `{"id":1,"device":"A","client":true,"key":"k"}`, or `keys` for several.
 * @throws PayloadRefused
 */
export function readChildAttributesRequest(value: JsonValue): ChildAttributesRequest {
  const { id, device, client, key, keys: several } = objectOf(value);
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > REQUEST_ID_MAX) {
    throw malformed('`id` is a whole number from 0');
  }
  if (typeof device !== 'string') throw malformed('`device` is the name of a device');
  if (client !== undefined && typeof client !== 'boolean') throw malformed('`client` is true or false');
  const keys = several ?? (key === undefined ? undefined : [key]);
  if (
    !Array.isArray(keys) ||
    keys.length > LIMITS.telemetryKeysMax ||
    !keys.every((each) => typeof each === 'string')
  ) {
    throw malformed(`\`key\` is a text, or \`keys\` a list of at most ${LIMITS.telemetryKeysMax}`);
  }
  const named = keys as readonly string[];
  const wanted = client === true ? { clientKeys: named } : { sharedKeys: named };
  return { child: device, message: { kind: 'getAttributes', requestId: id, ...wanted } };
}

function keyListOf(value: JsonValue | undefined, name: string): readonly string[] | null {
  if (value === undefined) return null;
  if (typeof value !== 'string') throw malformed(`\`${name}\` is a text: keys with commas between them`);
  const keys = value.split(',').filter((key) => key !== '');
  if (keys.length > LIMITS.telemetryKeysMax) throw malformed(`more than ${LIMITS.telemetryKeysMax} keys`);
  return keys;
}

function objectOf(value: JsonValue): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw malformed('a request is a JSON object');
}

function malformed(detail: string): PayloadRefused {
  return new PayloadRefused('PAYLOAD_MALFORMED', detail);
}
