import { PAYLOAD_FORMATS } from '@breakwater/twin-runtime';
import { z } from 'zod';

import { cursorField, deviceIdField, limitField, tenantIdField } from './request-fields.ts';

export const devicePath = z.strictObject({ id: deviceIdField });

const payloadFormat = z.enum(PAYLOAD_FORMATS).meta({
  description: 'How its payloads are read when their content type does not say it; `auto`: by their first byte.',
});
const isGateway = z.boolean().meta({ description: 'It may speak for child devices (`v1/gateway/…`).' });

const profileFields = {
  payloadFormat: payloadFormat.optional(),
  isGateway: isGateway.optional(),
  via: deviceIdField.nullable().optional().meta({
    description: 'The gateway device whose child it is; null: it only speaks for itself.',
  }),
};

export const createDeviceBody = z
  .strictObject({ id: deviceIdField.optional(), ...profileFields })
  .meta({ id: 'CreateDevice', description: 'Without `id` the device gets a UUID.' });

export const patchDeviceBody = z
  .strictObject(profileFields)
  .meta({ id: 'PatchDevice', description: 'What is left out stays as it is.' });

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
    payloadFormat,
    isGateway,
    via: z.string().nullable().meta({ description: 'The gateway device whose child it is.' }),
  })
  .meta({ id: 'Device' });

export const deviceWithToken = device
  .extend({ token: z.string().meta({ description: 'What the device connects with. Shown this once.' }) })
  .meta({ id: 'DeviceWithToken' });

export const listQuery = z.strictObject({ limit: limitField, cursor: cursorField });

export const deviceList = z
  .object({ items: z.array(device), nextCursor: z.string().nullable() })
  .meta({ id: 'DeviceList' });
