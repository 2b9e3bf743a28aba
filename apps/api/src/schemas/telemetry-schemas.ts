import { AGGREGATIONS } from '@breakwater/twin-runtime';
import { isTelemetryKey } from '@breakwater/wire';
import { z } from 'zod';

import { twin } from './twin-schemas.ts';
import { cursorField, deviceIdField, limitField, unixMsField } from './request-fields.ts';

const KEYS_MAX = 64;
const STEP_MS_MIN = 1_000;
const STEP_MS_MAX = 366 * 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const STEP_PATTERN = /^(\d{1,12})(ms|s|m|h|d)?$/;

const keysField = z
  .union([z.string(), z.array(z.string()).max(KEYS_MAX)])
  .transform((value) => [...new Set([value].flat().flatMap((part) => part.split(',')))])
  .refine((keys) => keys.length <= KEYS_MAX, `at most ${KEYS_MAX} keys`)
  .refine((keys) => keys.every(isTelemetryKey), 'a key is 1 to 64 of A-Z a-z 0-9 _ . -')
  .optional()
  .meta({
    description: 'Only these keys. May be given more than once, or as a list with commas.',
    wire: { type: 'array', items: { type: 'string', pattern: '^[A-Za-z0-9_.,-]+$' } },
  });

const stepField = z
  .string()
  .regex(STEP_PATTERN, 'a number of ms, or a number with ms, s, m, h or d')
  .transform(parseStep)
  .pipe(z.number().min(STEP_MS_MIN, 'at least 1s').max(STEP_MS_MAX, 'at most 366d'))
  .optional()
  .meta({ description: 'Width of a bucket: ms, or with a unit (`30s`, `1m`, `6h`, `1d`).', wire: { type: 'string' } });

const from = unixMsField('Begin, inclusive, Unix ms; 24 hours before `to` when left out.');
const to = unixMsField('End, exclusive, Unix ms; now when left out.');

export const telemetryQuery = z
  .strictObject({
    key: keysField,
    from,
    to,
    step: stepField,
    agg: z.enum(AGGREGATIONS).optional().meta({ description: 'With `step`; `avg` when left out.' }),
    limit: limitField,
    cursor: cursorField,
  })
  .refine((query) => query.agg === undefined || query.step !== undefined, {
    path: ['agg'],
    error: '`agg` needs `step`',
  });

export const eventsQuery = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'an event name is 1 to 64 of A-Z a-z 0-9 _ . -')
    .optional()
    .meta({ description: 'Only events of this name.' }),
  from,
  to,
  limit: limitField,
  cursor: cursorField,
});

export const twinHistoryQuery = z.strictObject({ from, to, limit: limitField, cursor: cursorField });

export const deadLettersQuery = z.strictObject({
  device: deviceIdField.optional(),
  limit: limitField,
  cursor: cursorField,
});

const nextCursor = z.string().nullable();
const ts = z.number().int().meta({ description: 'Unix ms.' });

export const telemetryPage = z
  .object({ items: z.array(z.object({ ts, key: z.string(), value: z.unknown() })), nextCursor })
  .meta({ id: 'TelemetryPage' });

export const eventPage = z
  .object({
    items: z.array(z.object({ ts, receivedAt: ts, name: z.string(), data: z.unknown(), messageId: z.string() })),
    nextCursor,
  })
  .meta({ id: 'EventPage' });

export const twinHistoryPage = z
  .object({
    items: z.array(
      z.object({
        ts,
        sections: z.array(z.string()).meta({ description: 'What changed: `desired`, `tags`, `reported`, `presence`.' }),
        twin: twin.meta({ description: 'The twin as it was after this change.' }),
      }),
    ),
    nextCursor,
  })
  .meta({ id: 'TwinHistoryPage' });

export const deadLetterPage = z
  .object({
    items: z.array(
      z.object({
        receivedAt: ts,
        deviceId: z.string(),
        code: z.string(),
        detail: z.string(),
        topic: z.string(),
        payloadBase64: z.string().meta({ description: 'The bytes as they were received.' }),
        sender: z.string(),
        messageId: z.string(),
      }),
    ),
    nextCursor,
  })
  .meta({ id: 'DeadLetterPage' });

function parseStep(text: string): number {
  const match = STEP_PATTERN.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] as number);
}
