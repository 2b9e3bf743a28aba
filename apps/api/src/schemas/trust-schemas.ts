import { z } from 'zod';

import { tenantIdField } from './request-fields.ts';

export const tenantPath = z.strictObject({ id: tenantIdField });

/** The body has a limit of its own, `API_BODY_BYTES_MAX`; this one says so with a place. */
const PEM_LENGTH_MAX = 1024 * 1024;

const pemField = (what: string) =>
  z
    .string()
    .min(1)
    .max(PEM_LENGTH_MAX)
    .meta({ description: `${what}, in PEM; several blocks one after the other.` });

export const deviceCaBody = z
  .strictObject({ pem: pemField('Certificates of the CAs whose certificates are devices of this tenant') })
  .meta({ id: 'PutDeviceCa', description: 'It replaces what was there: for a rotation, send the old and the new CA.' });

export const crlBody = z
  .strictObject({ pem: pemField('Complete revocation lists, one per CA') })
  .meta({ id: 'PutCrl', description: 'It replaces what was there.' });

/** Members beyond these are for the reader of the keys: it refuses private ones, and a strict schema would hide why. */
export const jwksBody = z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1) }).meta({
  id: 'PutJwks',
  description: 'A JWK Set (RFC 7517) of public keys, each with a `kid`. It replaces what was there.',
});

const unixMs = z.number().int().meta({ description: 'Unix ms.' });

export const deviceCa = z
  .object({
    pem: z.string(),
    certificates: z.array(
      z.object({
        subject: z.string(),
        serialNumber: z.string(),
        notBefore: unixMs,
        notAfter: unixMs,
        publicKeySha256: z.string().meta({ description: 'Of the public key (SPKI), in hex.' }),
      }),
    ),
  })
  .meta({ id: 'DeviceCa' });

export const crl = z
  .object({
    pem: z.string(),
    lists: z.array(
      z.object({
        issuer: z.string(),
        thisUpdate: unixMs,
        nextUpdate: unixMs.nullable().meta({ description: 'A list past it stays in force.' }),
        revoked: z.number().int().meta({ description: 'How many certificates it names.' }),
      }),
    ),
  })
  .meta({ id: 'Crl' });

export const jwks = z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).meta({ id: 'Jwks' });
