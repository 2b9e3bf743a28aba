import {
  type ChainLink,
  type DeviceCa,
  type DeviceKey,
  type DeviceKeySet,
  readDeviceCas,
  readKeySet,
  readRevocationLists,
  type TrustAnchor,
} from '@breakwater/device-trust';
import { assert, type TenantId } from '@breakwater/twin';
import type { Clock, TenantTrust, TenantTrustStore } from '@breakwater/twin-runtime';

import type { DeviceCredential } from './credential.ts';

export interface TrustMirrorOptions {
  readonly store: Pick<TenantTrustStore, 'changedAfter'>;
  readonly clock: Clock;
  /** How often the store is asked what changed. */
  readonly pollMs: number;
  /** These tenants trust something else now: what their devices were let in by is to be looked at again. */
  readonly onChange: (tenants: ReadonlySet<TenantId>) => void;
  readonly onTrouble: (detail: string) => void;
}

/** What one tenant trusts, read and ready to check with. */
interface Readied {
  readonly cas: readonly DeviceCa[];
  /** Serial numbers that are revoked, by the name of their issuer. */
  readonly revoked: ReadonlyMap<string, ReadonlySet<string>>;
  readonly keys: DeviceKeySet;
}

const TENANTS_PER_READ = 100;
const NO_ANCHORS: readonly TrustAnchor[] = [];

/**
 * What all tenants trust, in memory, at most about one poll old: a storm of connects asks nobody. While the store is
 * away, what was known last holds; then devices cannot be looked up either, so nobody new comes in by it.
 */
export class TrustMirror {
  readonly #options: TrustMirrorOptions;
  readonly #stopped = new AbortController();
  #byTenant = new Map<TenantId, Readied>();
  #bySubject = new Map<string, readonly TrustAnchor[]>();
  #cursor = 0;
  #version = 0;
  #isLoaded = false;
  #inTrouble = false;
  #started = false;

  constructor(options: TrustMirrorOptions) {
    this.#options = options;
  }

  /** False until the store was read once, whole. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Grows with each change, in the same turn: what was found out by an older version is to be found out again. */
  get version(): number {
    return this.#version;
  }

  /** Settles after the first look, whether it went well or not; further ones follow until `stop`. */
  async start(): Promise<void> {
    assert(!this.#started, 'the mirror starts once');
    this.#started = true;
    await this.#look();
    void this.#goOn();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** The CAs, of whichever tenants, that have this name. */
  anchorsNamed(subject: string): readonly TrustAnchor[] {
    return this.#bySubject.get(subject) ?? NO_ANCHORS;
  }

  isRevoked(tenant: TenantId, { issuer, serialNumber }: ChainLink): boolean {
    return this.#byTenant.get(tenant)?.revoked.get(issuer)?.has(serialNumber) === true;
  }

  findKey(tenant: TenantId, kid: string): DeviceKey | undefined {
    return this.#byTenant.get(tenant)?.keys.get(kid);
  }

  /** Of a token, and of a child device, the registry says it, and nothing here. */
  stillTrusts(tenant: TenantId, credential: DeviceCredential, nowMs: number): boolean {
    if (credential.kind === 'token' || credential.kind === 'gatewayDevice') return true;
    if (credential.expiresAtMs <= nowMs) return false;
    // While everything is read anew nothing is known; whatever then is different is told by `onChange`.
    if (!this.#isLoaded) return true;
    if (credential.kind === 'jwt') return this.findKey(tenant, credential.kid)?.hash === credential.keyHash;
    const cas = this.#byTenant.get(tenant)?.cas ?? [];
    return (
      cas.some(({ publicKeyHash }) => publicKeyHash === credential.caKeyHash) &&
      !credential.links.some((link) => this.isRevoked(tenant, link))
    );
  }

  async #goOn(): Promise<void> {
    const { clock, pollMs } = this.#options;
    while (!this.#stopped.signal.aborted) {
      await clock.sleep(pollMs, this.#stopped.signal);
      if (!this.#stopped.signal.aborted) await this.#look();
    }
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    try {
      const changed = await this.#takeChanges();
      this.#isLoaded = true;
      this.#inTrouble = false;
      if (changed.size > 0) this.#options.onChange(changed);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      if (!this.#inTrouble) this.#options.onTrouble(`what tenants trust cannot be read: ${detail}`);
      this.#inTrouble = true;
    }
  }

  async #takeChanges(): Promise<ReadonlySet<TenantId>> {
    const changed = new Set<TenantId>();
    for (;;) {
      const page = await this.#options.store.changedAfter(this.#cursor, TENANTS_PER_READ);
      if (page.version < this.#cursor) {
        // The store is an older one, restored: everything is read anew, and who was let in by more is looked at again.
        for (const tenant of this.#byTenant.keys()) changed.add(tenant);
        this.#byTenant = new Map();
        this.#bySubject = new Map();
        this.#version += 1;
        this.#cursor = 0;
        this.#isLoaded = false;
        continue;
      }
      for (const trust of page.changed) {
        await this.#take(trust);
        changed.add(trust.tenant);
      }
      this.#cursor = page.cursor;
      if (page.changed.length < TENANTS_PER_READ) return changed;
    }
  }

  /** What cannot be read is taken for nothing: it lets nobody in. */
  async #take({ tenant, deviceCa, crl, jwks }: TenantTrust): Promise<void> {
    const cas = deviceCa === null ? null : readDeviceCas(deviceCa, null);
    const lists = crl === null ? null : await readRevocationLists(crl, cas?.kind === 'read' ? cas.cas : [], 'skip');
    const keys = jwks === null ? null : readKeySet(parseJson(jwks));
    for (const read of [cas, keys]) {
      if (read?.kind === 'refused') this.#options.onTrouble(`what ${tenant} trusts cannot be used: ${read.detail}`);
    }
    const revoked = new Map(
      lists?.kind === 'read' ? lists.lists.map(({ issuer, serialNumbers }) => [issuer, serialNumbers]) : [],
    );
    const readied: Readied = {
      // A revocation list that cannot be used must not bring back whom it named: then no certificate is good.
      cas: cas?.kind === 'read' && lists?.kind !== 'refused' ? cas.cas : [],
      revoked,
      keys: keys?.kind === 'read' ? keys.keys : new Map(),
    };
    if (lists?.kind === 'refused') this.#options.onTrouble(`the CRL of ${tenant} cannot be used: ${lists.detail}`);
    this.#nameAnchors(tenant, this.#byTenant.get(tenant)?.cas ?? [], readied.cas);
    this.#byTenant.set(tenant, readied);
    this.#version += 1;
  }

  #nameAnchors(tenant: TenantId, before: readonly DeviceCa[], now: readonly DeviceCa[]): void {
    for (const { subject } of before) {
      const others = this.anchorsNamed(subject).filter((anchor) => anchor.tenant !== tenant);
      if (others.length === 0) this.#bySubject.delete(subject);
      else this.#bySubject.set(subject, others);
    }
    for (const ca of now) {
      this.#bySubject.set(ca.subject, [...this.anchorsNamed(ca.subject), { tenant, ca }]);
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
