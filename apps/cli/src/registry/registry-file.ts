import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

import type { RegistryEntry } from '@breakwater/adapter-redis';
import { isDeviceId, isTenantId, type DeviceId, type Incarnation, type TenantId } from '@breakwater/twin';
import { PAYLOAD_FORMATS } from '@breakwater/twin-runtime';
import { z } from 'zod';

import { CliFailure } from '../cli-failure.ts';

/**
 * A copy of the registry is lines of JSON: the first names the format, the last says how many entries stand between
 * them. A file that was cut off is therefore told from a whole one.
 */
const FORMAT_VERSION = 1;

const tenant = z.custom<TenantId>((value) => typeof value === 'string' && isTenantId(value));
const device = z.custom<DeviceId>((value) => typeof value === 'string' && isDeviceId(value));
const incarnation = z
  .int()
  .positive()
  .transform((value) => value as Incarnation);
/** No space in it: the store separates by them. */
const hash = z.string().regex(/^[A-Za-z0-9+/=_-]{16,128}$/);
const timeMs = z.int().nonnegative();

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tenant'), tenant, createdAtMs: timeMs }),
  z.strictObject({ kind: z.literal('apiKey'), tenant, keyHash: hash }),
  z.strictObject({
    ...{ kind: z.literal('trust'), tenant, caKeyHashes: z.array(hash) },
    ...{ deviceCa: z.string().nullable(), crl: z.string().nullable(), jwks: z.string().nullable() },
  }),
  z.strictObject({
    ...{ kind: z.literal('device'), tenant, device, incarnation, createdAtMs: timeMs, tokenHash: hash.nullable() },
    profile: z.strictObject({
      payloadFormat: z.enum(PAYLOAD_FORMATS),
      isGateway: z.boolean(),
      via: device.nullable(),
    }),
  }),
  z.strictObject({ kind: z.literal('endedDevice'), tenant, device, incarnation }),
]) satisfies z.ZodType<RegistryEntry>;

const headSchema = z.object({ kind: z.literal('breakwaterRegistry'), version: z.number(), takenAtMs: timeMs });
const endSchema = z.object({ kind: z.literal('end'), entries: z.int().nonnegative() });

/** The lines of a copy, each with its newline. */
export async function* linesOfRegistry(
  entries: AsyncIterable<RegistryEntry>,
  takenAtMs: number,
): AsyncGenerator<string> {
  let count = 0;
  yield line({ kind: 'breakwaterRegistry', version: FORMAT_VERSION, takenAtMs });
  for await (const entry of entries) {
    count += 1;
    yield line(entry);
  }
  yield line({ kind: 'end', entries: count });
}

/**
 * The entries of a file, one by one.
 *
 * @throws CliFailure REGISTRY_COPY_UNREADABLE, as late as at its end: read a file through before you use any of it.
 */
export async function* entriesOfFile(path: string): AsyncGenerator<RegistryEntry> {
  let at = 0;
  let end: number | null = null;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    at += 1;
    const value = jsonOf(text);
    if (at === 1) checkHead(path, value);
    else if (end !== null) throw unreadable(path, `line ${at} comes after its end`);
    else if (isEnd(value)) end = value.entries;
    else {
      const entry = entrySchema.safeParse(value);
      if (!entry.success) throw unreadable(path, `line ${at} is no entry of a registry`);
      yield entry.data;
    }
  }
  if (end === null) throw unreadable(path, 'it was cut off: it has no last line');
  // Neither the first line nor the last is an entry.
  if (end !== at - 2) throw unreadable(path, `it has ${at - 2} entries, and says that it has ${end}`);
}

function checkHead(path: string, value: unknown): void {
  const head = headSchema.safeParse(value);
  if (!head.success) throw unreadable(path, 'its first line does not say so');
  if (head.data.version === FORMAT_VERSION) return;
  throw unreadable(path, `it has version ${head.data.version}, and this build reads version ${FORMAT_VERSION}`);
}

function isEnd(value: unknown): value is z.output<typeof endSchema> {
  return endSchema.safeParse(value).success;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // No entry either, which whoever asked says with the number of the line.
    return null;
  }
}

function unreadable(path: string, why: string): CliFailure {
  return new CliFailure('REGISTRY_COPY_UNREADABLE', `${path} is no copy of a registry: ${why}`);
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
