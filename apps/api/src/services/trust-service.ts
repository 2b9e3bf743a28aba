import { Inject, Injectable } from '@nestjs/common';
import {
  readDeviceCas,
  readKeySet,
  readRevocationLists,
  type DeviceCa,
  type TrustRefusal,
} from '@breakwater/device-trust';
import type { AuditLog } from '@breakwater/observability';
import type { TenantId } from '@breakwater/twin';
import type { Clock, DeviceRegistry, TenantTrust, TenantTrustStore } from '@breakwater/twin-runtime';

import { AUDIT_LOG, CLOCK, DEVICE_REGISTRY, TENANT_TRUST } from '../api-ports.ts';
import type { Caller } from '../http/authentication.ts';
import { notFound, Problem } from '../http/problem.ts';

export interface DeviceCaView {
  readonly pem: string;
  readonly certificates: readonly {
    readonly subject: string;
    readonly serialNumber: string;
    readonly notBefore: number;
    readonly notAfter: number;
    readonly publicKeySha256: string;
  }[];
}

export interface CrlView {
  readonly pem: string;
  readonly lists: readonly {
    readonly issuer: string;
    readonly thisUpdate: number;
    readonly nextUpdate: number | null;
    readonly revoked: number;
  }[];
}

export interface JwksView {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

type Part = 'deviceCa' | 'crl' | 'jwks';

/**
 * What a tenant's devices prove themselves with, beside their tokens. It is checked here, once and with reasons; the
 * gateways learn of a change by themselves.
 */
@Injectable()
export class TrustService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(DEVICE_REGISTRY) private readonly registry: DeviceRegistry,
    @Inject(TENANT_TRUST) private readonly store: TenantTrustStore,
    @Inject(AUDIT_LOG) private readonly audit: Pick<AuditLog, 'record'>,
  ) {}

  async deviceCa(caller: Caller, tenant: TenantId): Promise<DeviceCaView> {
    return viewOfCas(await this.#part(caller, tenant, 'deviceCa'));
  }

  async replaceDeviceCa(caller: Caller, tenant: TenantId, pem: string): Promise<DeviceCaView> {
    await this.#assertMay(caller, tenant);
    const { cas } = used(readDeviceCas(pem, this.clock.nowMs()));
    const keyHashes = [...new Set(cas.map(({ publicKeyHash }) => publicKeyHash))];
    const replaced = await this.store.replaceDeviceCa(tenant, { pem, keyHashes });
    if (replaced === 'CA_TAKEN') {
      throw new Problem('CA_TAKEN', 'the public key of one of these CAs vouches for another tenant already');
    }
    this.#changed(caller, tenant, 'device CA replaced');
    return viewOfCas(pem);
  }

  async crl(caller: Caller, tenant: TenantId): Promise<CrlView> {
    const pem = await this.#part(caller, tenant, 'crl');
    return viewOfLists(pem, await this.#cas(tenant), 'skip');
  }

  async replaceCrl(caller: Caller, tenant: TenantId, pem: string): Promise<CrlView> {
    await this.#assertMay(caller, tenant);
    const view = await viewOfLists(pem, await this.#cas(tenant), 'refuse');
    await this.store.replaceCrl(tenant, pem);
    this.#changed(caller, tenant, 'revocation list replaced');
    return view;
  }

  async jwks(caller: Caller, tenant: TenantId): Promise<JwksView> {
    return JSON.parse(await this.#part(caller, tenant, 'jwks')) as JwksView;
  }

  async replaceJwks(caller: Caller, tenant: TenantId, jwks: JwksView): Promise<JwksView> {
    await this.#assertMay(caller, tenant);
    used(readKeySet(jwks));
    await this.store.replaceJwks(tenant, JSON.stringify(jwks));
    this.#changed(caller, tenant, 'keys replaced');
    return jwks;
  }

  async remove(caller: Caller, tenant: TenantId, part: Part): Promise<void> {
    await this.#part(caller, tenant, part);
    if (part === 'deviceCa') await this.store.replaceDeviceCa(tenant, null);
    else if (part === 'crl') await this.store.replaceCrl(tenant, null);
    else await this.store.replaceJwks(tenant, null);
    this.#changed(caller, tenant, `${part} removed`);
  }

  async #part(caller: Caller, tenant: TenantId, part: Part): Promise<string> {
    await this.#assertMay(caller, tenant);
    const text = (await this.store.find(tenant))?.[part] ?? null;
    if (text === null) throw notFound(NAMES[part]);
    return text;
  }

  /** A tenant's key works on its own tenant, the admin key on every one. Other tenants do not exist, for a tenant. */
  async #assertMay(caller: Caller, tenant: TenantId): Promise<void> {
    const isOwn = caller.tenant === tenant;
    if (!isOwn && !(caller.isAdmin && (await this.registry.tenantExists(tenant)))) throw notFound('tenant');
  }

  async #cas(tenant: TenantId): Promise<readonly DeviceCa[]> {
    const trust: TenantTrust | null = await this.store.find(tenant);
    if (trust?.deviceCa === undefined || trust.deviceCa === null) {
      throw new Problem('CRL_INVALID', 'the tenant has no device CA that a list could be of; put the CA first');
    }
    return used(readDeviceCas(trust.deviceCa, null)).cas;
  }

  #changed(caller: Caller, tenant: TenantId, detail: string): void {
    this.audit.record('trustChanged', { tenant, by: caller.isAdmin ? 'admin' : caller.tenant, detail });
  }
}

const NAMES: Readonly<Record<Part, string>> = { deviceCa: 'device CA', crl: 'revocation list', jwks: 'key set' };

function used<Read extends { readonly kind: 'read' }>(result: Read | TrustRefusal): Read {
  if (result.kind === 'refused') throw new Problem(result.code, result.detail);
  return result;
}

function viewOfCas(pem: string): DeviceCaView {
  const { cas } = used(readDeviceCas(pem, null));
  return {
    pem,
    certificates: cas.map(({ native, serialNumber, notBeforeMs, notAfterMs, publicKeyHash }) => ({
      subject: native.subject.replaceAll('\n', ', '),
      serialNumber,
      notBefore: notBeforeMs,
      notAfter: notAfterMs,
      publicKeySha256: publicKeyHash,
    })),
  };
}

async function viewOfLists(pem: string, cas: readonly DeviceCa[], foreign: 'refuse' | 'skip'): Promise<CrlView> {
  const { lists } = used(await readRevocationLists(pem, cas, foreign));
  return {
    pem,
    lists: lists.map(({ issuerText, thisUpdateMs, nextUpdateMs, serialNumbers }) => ({
      issuer: issuerText,
      thisUpdate: thisUpdateMs,
      nextUpdate: nextUpdateMs,
      revoked: serialNumbers.size,
    })),
  };
}
