import { z } from 'zod';

import { cursorField, limitField } from './request-fields.ts';

export const banPath = z.strictObject({
  id: z
    .string()
    .regex(/^(device|address):[A-Za-z0-9_.:-]{1,256}$/, 'the id of a ban begins with `device:` or `address:`')
    .meta({ description: 'Id of a ban, from the list.', example: 'device:default:pump-7' }),
});

export const banListQuery = z.strictObject({ limit: limitField, cursor: cursorField });

export const ban = z
  .object({
    id: z.string().meta({ example: 'device:default:pump-7' }),
    kind: z.enum(['device', 'address']),
    tenant: z.string().nullable(),
    device: z.string().nullable(),
    address: z.string().nullable().meta({ description: 'IPv4 address, or the first 64 bits of an IPv6 address.' }),
    reason: z.enum(['flapping', 'authenticationFailures']),
    since: z.number().int().meta({ description: 'Unix ms.' }),
    until: z.number().int().meta({ description: 'Unix ms. It ends by itself then.' }),
  })
  .meta({ id: 'Ban' });

export const banList = z.object({ items: z.array(ban), nextCursor: z.string().nullable() }).meta({ id: 'BanList' });
