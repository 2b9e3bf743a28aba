import { ANSWER_STATES, type AnswerState, type JsonObject, type JsonValue } from '@breakwater/twin';
import type { RecordMessage } from '@breakwater/wire';

import { PayloadRefused } from './payload-refused.ts';

const PERCENT_MAX = 100;

/** `{percent, note}`, both optional. @throws PayloadRefused */
export function readCommandProgress(commandId: string, value: JsonValue): RecordMessage {
  const { percent, note } = objectOf(value, 'progress');
  if (percent !== undefined && !(typeof percent === 'number' && percent >= 0 && percent <= PERCENT_MAX)) {
    throw new PayloadRefused('PAYLOAD_MALFORMED', '`percent` is a number from 0 to 100');
  }
  return {
    kind: 'commandProgressed',
    commandId,
    ...(percent === undefined ? {} : { percent }),
    ...textOf('note', note),
  };
}

/** `{status, result, reason}`; only the status is needed. @throws PayloadRefused */
export function readCommandResponse(commandId: string, value: JsonValue): RecordMessage {
  const { status, result, reason } = objectOf(value, 'response');
  if (!isAnswerState(status)) {
    throw new PayloadRefused('PAYLOAD_MALFORMED', `\`status\` is one of ${ANSWER_STATES.join(', ')}`);
  }
  const answer = result === undefined ? {} : { result };
  return { kind: 'commandAnswered', commandId, status, ...answer, ...textOf('reason', reason) };
}

/**
 * The answer of ThingsBoard's firmware: whatever it is, the request was carried out; by its convention an object with
 * `error` is a failure.
 */
export function readRpcResponse(requestId: number, value: JsonValue): RecordMessage {
  const isFailure = isObject(value) && Object.hasOwn(value, 'error');
  return { kind: 'commandAnswered', requestId, status: isFailure ? 'FAILED' : 'SUCCEEDED', result: value };
}

function objectOf(value: JsonValue, what: string): JsonObject {
  if (isObject(value)) return value;
  throw new PayloadRefused('PAYLOAD_MALFORMED', `the ${what} of a command is a JSON object`);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAnswerState(status: JsonValue | undefined): status is AnswerState {
  return ANSWER_STATES.some((state) => state === status);
}

function textOf<Name extends string>(name: Name, value: JsonValue | undefined): { readonly [Key in Name]?: string } {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'string') throw new PayloadRefused('PAYLOAD_MALFORMED', `\`${name}\` is a text`);
  return { [name]: value } as { readonly [Key in Name]: string };
}
