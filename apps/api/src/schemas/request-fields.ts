import { isDeviceId, isTenantId, type DeviceId, type TenantId } from '@breakwater/twin';
import { z } from 'zod';

/** Unix ms up to which JavaScript and ClickHouse agree: the year 2262. */
const UNIX_MS_MAX = 9_214_646_400_000;
const PAGE_LIMIT_DEFAULT = 50;
const PAGE_LIMIT_MAX = 500;

export const deviceIdField = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,128}$/, { error: 'a device id is 1 to 128 of A-Z a-z 0-9 _ . : -', abort: true })
  .refine(isDeviceId, '`me` is what a device calls itself and cannot be an id')
  .transform((id) => id as DeviceId)
  .meta({ description: 'Id of a device.', example: 'pump-7' });

export const tenantIdField = z
  .string()
  .regex(/^[a-z0-9-]{1,63}$/, 'a tenant id is 1 to 63 of a-z 0-9 -')
  .refine(isTenantId)
  .transform((id) => id as TenantId)
  .meta({ description: 'Id of a tenant.', example: 'acme' });

/** A whole number in a query string. In OpenAPI it is an integer, though on the wire it is text. */
function queryInteger(options: { min: number; max: number; description: string }) {
  return z
    .string()
    .regex(/^\d{1,16}$/, `a whole number from ${options.min} to ${options.max} is needed`)
    .transform(Number)
    .pipe(z.number().min(options.min, `at least ${options.min}`).max(options.max, `at most ${options.max}`))
    .meta({ description: options.description, wire: { type: 'integer', minimum: options.min, maximum: options.max } });
}

export const limitField = queryInteger({
  min: 1,
  max: PAGE_LIMIT_MAX,
  description: `How many items a page holds at most; ${PAGE_LIMIT_DEFAULT} when left out.`,
})
  .optional()
  .transform((limit) => limit ?? PAGE_LIMIT_DEFAULT);

export const cursorField = z
  .string()
  .min(1)
  .max(2_048)
  .optional()
  .meta({ description: '`nextCursor` of the page before. Opaque.' });

export function unixMsField(description: string) {
  return queryInteger({ min: 0, max: UNIX_MS_MAX, description }).optional();
}
