import type { JsonObject } from '@breakwater/twin';
import { z } from 'zod';

const jsonObject = z
  .record(z.string(), z.unknown())
  .transform((value) => value as JsonObject)
  .meta({ wire: { type: 'object', additionalProperties: true } });

/** Unknown members are refused: `reported` is the device's, and a misspelt `desird` must not be lost without a word. */
export const twinPatchBody = z
  .strictObject({
    desired: jsonObject.optional().meta({ description: 'JSON Merge Patch (RFC 7396): `null` deletes a key.' }),
    tags: jsonObject.optional().meta({ description: 'JSON Merge Patch; devices never see tags.' }),
  })
  .refine((patch) => patch.desired !== undefined || patch.tags !== undefined, 'one of `desired` and `tags` is needed')
  .meta({ id: 'TwinPatch', example: { desired: { interval: 30 }, tags: { site: 'p1' } } });

export const twin = z
  .looseObject({
    id: z.string(),
    version: z.number().int().meta({ description: 'Counts changes of desired and tags; the entity tag.' }),
    desired: z.record(z.string(), z.unknown()),
    reported: z.record(z.string(), z.unknown()),
    delta: z.record(z.string(), z.unknown()).meta({ description: 'What of `desired` the device has not reported.' }),
    tags: z.record(z.string(), z.unknown()),
    telemetry: z.record(z.string(), z.unknown()).meta({ description: 'The newest value of each key.' }),
    presence: z.unknown(),
  })
  .meta({ id: 'Twin' });

export const operationPath = z.strictObject({ id: z.string().min(1).max(1_024) });

export const operation = z
  .object({
    id: z.string(),
    deviceId: z.string(),
    status: z.enum(['pending', 'applied', 'rejected']),
    version: z.number().int().nullable().meta({ description: 'The version of the twin right after it.' }),
    error: z.object({ code: z.string(), detail: z.string() }).nullable(),
  })
  .meta({ id: 'Operation' });
