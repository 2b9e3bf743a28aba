import { COMMAND_LIMITS, COMMAND_STATES, type JsonValue } from '@breakwater/twin';
import { isCommandId } from '@breakwater/wire';
import { z } from 'zod';

import { cursorField, limitField } from './request-fields.ts';

const UNIX_MS_MAX = 9_214_646_400_000;
const TIMEOUT_SECONDS_MAX = COMMAND_LIMITS.lifeMsMax / 1_000;
const RETRY_ATTEMPTS_MAX = 100;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 24 * 3_600_000;
const REASON_LENGTH_MAX = COMMAND_LIMITS.textLengthMax;

const anyJson = z
  .unknown()
  .transform((value) => value as JsonValue)
  .meta({ wire: {}, description: 'Any JSON, 16 KiB and 8 levels at most.' });

const commandIdField = z
  .string()
  .refine(isCommandId, 'a command id is 1 to 128 of A-Z a-z 0-9 _ . : -')
  .meta({ description: 'Id of a command, unique in its tenant.', example: 'reboot-2026-11-22' });

export const commandPath = z.strictObject({ id: commandIdField });

const retryBody = z
  .strictObject({
    attempts: z.number().int().min(1).max(RETRY_ATTEMPTS_MAX).optional(),
    initialMs: z.number().int().min(RETRY_MS_MIN).max(RETRY_MS_MAX).optional(),
    maxMs: z.number().int().min(RETRY_MS_MIN).max(RETRY_MS_MAX).optional(),
  })
  .meta({ description: 'How often a command without PUBACK is sent in one session; each pause is twice the last.' });

/** What is ordered. Unknown members are refused: a misspelt `deadlin` must not become a day. */
export const commandBody = z
  .strictObject({
    commandId: commandIdField.optional(),
    method: z
      .string()
      .min(1)
      .max(COMMAND_LIMITS.methodLengthMax)
      .meta({ description: 'What the device is to do, in its own words.', example: 'reboot' }),
    params: anyJson.optional(),
    deadline: z
      .number()
      .int()
      .min(0)
      .max(UNIX_MS_MAX)
      .optional()
      .meta({ description: 'Unix ms. It is never sent to the device after this. 30 days ahead at most.' }),
    timeoutSeconds: z
      .number()
      .positive()
      .max(TIMEOUT_SECONDS_MAX)
      .optional()
      .meta({ description: 'The deadline, counted from now. 24 h when neither is given.' }),
    retry: retryBody.optional(),
  })
  .refine(
    (body) => body.deadline === undefined || body.timeoutSeconds === undefined,
    'only one of `deadline` and `timeoutSeconds`',
  )
  .meta({ id: 'CommandOrder', example: { method: 'reboot', params: { delayMs: 500 }, timeoutSeconds: 3_600 } });

export const cancelBody = z
  .strictObject({
    force: z.boolean().optional().meta({ description: 'Also when it may have reached the device.' }),
    reason: z.string().max(REASON_LENGTH_MAX).optional(),
  })
  .optional()
  .meta({ id: 'CommandCancel' });

const commandState = z.enum(COMMAND_STATES);

export const commandsQuery = z.strictObject({
  state: commandState.optional(),
  limit: limitField,
  cursor: cursorField,
});

const transition = z.object({ state: commandState, at: z.number().int(), reason: z.string().optional() });

export const command = z
  .object({
    commandId: z.string(),
    deviceId: z.string(),
    method: z.string(),
    params: anyJson.optional(),
    state: commandState,
    orderedAt: z.number().int(),
    deadline: z.number().int(),
    attempts: z.number().int().meta({ description: 'How often it was given to a session of the device.' }),
    transitions: z.array(transition),
    progress: z.object({ percent: z.number().optional(), note: z.string().optional() }).optional(),
    result: anyJson.optional(),
    resultTooLarge: z.boolean().optional(),
    deliveryUnknown: z
      .boolean()
      .optional()
      .meta({ description: 'It ended without an answer, and nobody knows whether the device ever got it.' }),
    mayHaveRun: z.boolean().optional().meta({ description: 'Canceled after it may have reached the device.' }),
    late: transition.optional().meta({ description: 'What the device answered after the end.' }),
  })
  .meta({ id: 'Command' });

export const commandPage = z
  .object({ items: z.array(command), nextCursor: z.string().nullable() })
  .meta({ id: 'CommandPage' });
