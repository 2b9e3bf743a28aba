import { createHash } from 'node:crypto';

import { canonicalJson, COMMAND_LIMITS, jsonFits, jsonProblem, type JsonValue } from '@breakwater/twin';
import type { CommandClaim, RegisteredDevice } from '@breakwater/twin-runtime';
import { COMMAND_RETRY_DEFAULT, type CommandRetry, type DeviceCommandInput } from '@breakwater/wire';
import { v7 as uuidv7 } from 'uuid';

import { Problem } from '../http/problem.ts';

/** What an application asks for. */
export interface CommandOrder {
  readonly commandId?: string | undefined;
  readonly method: string;
  readonly params?: JsonValue | undefined;
  readonly deadline?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly retry?: { readonly [Key in keyof CommandRetry]?: number | undefined } | undefined;
}

const DAY_MS = 86_400_000;

/**
 * The order as its workflow gets it. Everything that the twin would refuse whatever its state is refused here: a
 * workflow must not be started for it.
 *
 * @throws Problem COMMAND_INVALID
 */
export function commandInput(
  device: RegisteredDevice,
  order: CommandOrder,
  { nowMs, idempotencyKey }: { readonly nowMs: number; readonly idempotencyKey: string | null },
): DeviceCommandInput {
  assertParams(order.params);
  const { method, params, deadline, timeoutSeconds, retry = {} } = order;
  const lifeMs = timeoutSeconds === undefined ? DAY_MS : timeoutSeconds * 1_000;
  return {
    version: 1,
    tenant: device.tenant,
    device: device.device,
    incarnation: device.incarnation,
    commandId: order.commandId ?? (idempotencyKey === null ? uuidv7() : idOfKey(idempotencyKey)),
    bodyDigest: digestOf(order),
    method,
    ...(params === undefined ? {} : { params }),
    deadlineMs: deadline ?? Math.round(nowMs + lifeMs),
    retry: {
      attempts: retry.attempts ?? COMMAND_RETRY_DEFAULT.attempts,
      initialMs: retry.initialMs ?? COMMAND_RETRY_DEFAULT.initialMs,
      maxMs: retry.maxMs ?? COMMAND_RETRY_DEFAULT.maxMs,
    },
  };
}

/** The claim of a new command. @throws Problem COMMAND_INVALID when its deadline cannot be one */
export function newClaim({ device, bodyDigest, deadlineMs }: DeviceCommandInput, nowMs: number): CommandClaim {
  if (deadlineMs <= nowMs || deadlineMs > nowMs + COMMAND_LIMITS.lifeMsMax) {
    throw new Problem('COMMAND_INVALID', 'the deadline lies in the past, or more than 30 days ahead');
  }
  return { device, bodyDigest, deadlineMs, claimedAtMs: nowMs };
}

export function isSameOrder(claim: CommandClaim, { device, bodyDigest }: DeviceCommandInput): boolean {
  return claim.device === device && claim.bodyDigest === bodyDigest;
}

/** Before anything is made of it: JSON that is deep enough cannot even be written as text. */
function assertParams(params: JsonValue | undefined): void {
  if (params === undefined) return;
  const { jsonDepthMax, paramsBytesMax } = COMMAND_LIMITS;
  if (jsonProblem(params, jsonDepthMax) !== null) {
    throw new Problem('COMMAND_INVALID', `params has more than ${jsonDepthMax} levels, or a number that is none`);
  }
  if (!jsonFits(params, paramsBytesMax)) {
    throw new Problem('COMMAND_INVALID', `params has more than ${paramsBytesMax} bytes`);
  }
}

/** Of what was asked for: the order of members says nothing, a member that is null is not one that is absent. */
function digestOf(order: CommandOrder): string {
  const { commandId: _id, ...body } = order;
  const given = JSON.parse(JSON.stringify(body)) as JsonValue;
  return createHash('sha256')
    .update(JSON.stringify(canonicalJson(given)))
    .digest('base64url');
}

/** The same key is the same command. Keys may hold what ids may not. */
function idOfKey(idempotencyKey: string): string {
  return `key-${createHash('sha256').update(idempotencyKey).digest('base64url')}`;
}
