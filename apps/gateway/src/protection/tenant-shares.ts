import { type PublishRateLimits, SharedPublishRate } from '@breakwater/mqtt-endpoint';
import type { TenantId } from '@breakwater/twin';

import { RecencyMap } from './recency-map.ts';

/** What all devices of one tenant have together at this gateway. Their sessions point to it. */
export interface TenantShare {
  readonly tenant: TenantId;
  /** The tenant as a label of metrics: by name, as long as there are few enough. */
  readonly label: string;
  /** Null without a limit. */
  readonly rate: SharedPublishRate | null;
  /** What of it waits for the log: kept by the queue. */
  queuedBytes: number;
}

/** Tenants that have a label of their own in metrics; the others share one. A label is memory in every scraper. */
const TENANT_LABELS_MAX = 100;
const OTHER_TENANTS = 'other';

export interface TenantSharesOptions {
  readonly rate: PublishRateLimits;
  /** Tenants that are known at once. The one that nobody connected for longest begins anew when it comes again. */
  readonly tenantsMax: number;
  readonly nowMs: () => number;
}

export class TenantShares {
  readonly #options: TenantSharesOptions;
  readonly #shares: RecencyMap<TenantShare>;
  readonly #labels = new Set<string>();

  constructor(options: TenantSharesOptions) {
    this.#options = options;
    this.#shares = new RecencyMap(options.tenantsMax);
  }

  /** Tenants that are known. */
  get size(): number {
    return this.#shares.size;
  }

  of(tenant: TenantId): TenantShare {
    const known = this.#shares.get(tenant);
    if (known !== undefined) return known;
    const { rate, nowMs } = this.#options;
    const isLimited = rate.messagesPerSecondMax > 0 || rate.bytesPerSecondMax > 0;
    const share: TenantShare = {
      tenant,
      label: this.#labelOf(tenant),
      queuedBytes: 0,
      rate: isLimited ? new SharedPublishRate(rate, nowMs()) : null,
    };
    this.#shares.set(tenant, share);
    return share;
  }

  #labelOf(tenant: TenantId): string {
    if (!this.#labels.has(tenant) && this.#labels.size >= TENANT_LABELS_MAX) return OTHER_TENANTS;
    this.#labels.add(tenant);
    return tenant;
  }
}
