import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { TenantId } from '@breakwater/twin';
import type { DeviceRegistry } from '@breakwater/twin-runtime';
import type { FastifyRequest } from 'fastify';

import { Problem } from './problem.ts';

/** Who asks. Every read and write is bound to the caller's tenant; nothing takes a tenant from the request itself. */
export interface Caller {
  readonly tenant: TenantId;
  /** May create tenants and see the whole ledger. */
  readonly isAdmin: boolean;
}

/** The tenant in which the admin key works. */
export const DEFAULT_TENANT = 'default' as TenantId;

const API_KEY_PATTERN = /^bw_[A-Za-z0-9_-]{43}$/;
const BEARER_PATTERN = /^Bearer +(\S{1,512}) *$/i;
const SECRET_BYTES = 32;

const callers = new WeakMap<FastifyRequest, Caller>();

export function newApiKey(): string {
  return `bw_${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

export function newDeviceToken(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** What is stored of a secret. The secrets are random and long, so a plain digest cannot be guessed back. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Finds out who asks by an `Authorization` header, over HTTP and in a WebSocket's connection init alike. */
export class Authenticator {
  readonly #registry: DeviceRegistry;
  readonly #adminKeyDigest: Buffer;

  constructor(registry: DeviceRegistry, adminApiKey: string) {
    this.#registry = registry;
    this.#adminKeyDigest = digest(adminApiKey);
  }

  /** @throws Problem UNAUTHENTICATED */
  async authenticate(authorization: string | undefined): Promise<Caller> {
    const key = BEARER_PATTERN.exec(authorization ?? '')?.[1];
    if (key === undefined) throw unauthenticated('send the header `Authorization: Bearer <key>`');
    // Digests have one length, so the comparison takes as long for every wrong key.
    if (timingSafeEqual(digest(key), this.#adminKeyDigest)) return { tenant: DEFAULT_TENANT, isAdmin: true };
    const tenant = API_KEY_PATTERN.test(key) ? await this.#registry.tenantOfApiKey(secretHash(key)) : null;
    if (tenant === null) throw unauthenticated('this key is not known');
    return { tenant, isAdmin: false };
  }
}

export function rememberCaller(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller);
}

/** Fails closed: a route that the authentication did not see answers nobody. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw unauthenticated('send the header `Authorization: Bearer <key>`');
  return caller;
}

export const CurrentCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);

function unauthenticated(detail: string): Problem {
  return new Problem('UNAUTHENTICATED', detail, { headers: { 'www-authenticate': 'Bearer realm="breakwater"' } });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
