import { Inject, Injectable } from '@nestjs/common';
import type { AuditLog } from '@breakwater/observability';
import type { DeviceId, TenantId } from '@breakwater/twin';
import type { Ban, BanList, BanReason } from '@breakwater/twin-runtime';

import { AUDIT_LOG, BAN_LIST } from '../api-ports.ts';
import type { Caller } from '../http/authentication.ts';
import { decodeCursor, encodeCursor } from '../http/opaque-cursor.ts';
import { notFound } from '../http/problem.ts';

export interface BanView {
  readonly id: string;
  readonly kind: 'device' | 'address';
  readonly tenant: TenantId | null;
  readonly device: DeviceId | null;
  readonly address: string | null;
  readonly reason: BanReason;
  readonly since: number;
  readonly until: number;
}

export interface BanPage {
  readonly items: readonly BanView[];
  readonly nextCursor: string | null;
}

const CURSOR_KIND = 'bans';

/** Who may not connect now. A tenant sees its own devices; addresses serve all tenants, so the admin key sees them. */
@Injectable()
export class BanService {
  constructor(
    @Inject(BAN_LIST) private readonly bans: BanList,
    @Inject(AUDIT_LOG) private readonly audit: AuditLog,
  ) {}

  async list(caller: Caller, limit: number, cursor: string | undefined): Promise<BanPage> {
    const after = cursor === undefined ? '' : decodeCursor(CURSOR_KIND, cursor);
    const snapshot = await this.bans.read(null);
    const seen = (snapshot?.bans ?? [])
      .filter((ban) => maySee(caller, ban) && ban.id > after)
      .sort((left, right) => (left.id < right.id ? -1 : 1));
    const items = seen.slice(0, limit).map(viewOf);
    const last = items.at(-1);
    const hasMore = seen.length > limit && last !== undefined;
    return { items, nextCursor: hasMore ? encodeCursor(CURSOR_KIND, last.id) : null };
  }

  /** @throws Problem NOT_FOUND, also for what another tenant has: that it exists is not said. */
  async lift(caller: Caller, id: string): Promise<void> {
    const found = await this.bans.find(id);
    if (found === null || !maySee(caller, found)) throw notFound('ban');
    const lifted = await this.bans.lift(id);
    if (lifted === null) throw notFound('ban');
    const { tenant, device, address } = viewOf(lifted);
    this.audit.record('banLifted', {
      by: caller.isAdmin ? 'admin' : caller.tenant,
      detail: id,
      ...(tenant !== null && { tenant }),
      ...(device !== null && { device }),
      ...(address !== null && { remoteAddress: address }),
    });
  }
}

function maySee(caller: Caller, { subject }: Ban): boolean {
  return caller.isAdmin || (subject.kind === 'device' && subject.tenant === caller.tenant);
}

/** Without the digest of the credential, which is nobody's business. */
function viewOf({ id, subject, reason, sinceMs, untilMs }: Ban): BanView {
  const isDevice = subject.kind === 'device';
  return {
    id,
    kind: subject.kind,
    tenant: isDevice ? subject.tenant : null,
    device: isDevice ? subject.device : null,
    address: isDevice ? null : subject.address,
    reason,
    since: sinceMs,
    until: untilMs,
  };
}
