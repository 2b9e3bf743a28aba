import { z } from 'zod';

import { cursorField, deviceIdField, limitField, tenantIdField } from './request-fields.ts';

export const devicePath = z.strictObject({ id: deviceIdField });

export const createDeviceBody = z
  .strictObject({ id: deviceIdField.optional() })
  .meta({ id: 'CreateDevice', description: 'Without `id` the device gets a UUID.' });

export const createTenantBody = z
  .strictObject({ id: tenantIdField.optional() })
  .meta({ id: 'CreateTenant', description: 'Without `id` the tenant gets a random one.' });

export const tenantCreated = z
  .object({
    id: z.string(),
    apiKey: z.string().meta({ description: 'Shown this once.', example: 'bw_…' }),
    createdAt: z.number().int().meta({ description: 'Unix ms.' }),
  })
  .meta({ id: 'TenantCreated' });

export const device = z
  .object({
    id: z.string(),
    createdAt: z.number().int().meta({ description: 'Unix ms.' }),
    incarnation: z.number().int().meta({ description: 'Number of this life of the id, from create to delete.' }),
  })
  .meta({ id: 'Device' });

export const deviceWithToken = device
  .extend({ token: z.string().meta({ description: 'What the device connects with. Shown this once.' }) })
  .meta({ id: 'DeviceWithToken' });

export const listQuery = z.strictObject({ limit: limitField, cursor: cursorField });

export const deviceList = z
  .object({ items: z.array(device), nextCursor: z.string().nullable() })
  .meta({ id: 'DeviceList' });
