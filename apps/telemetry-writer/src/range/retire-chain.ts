import type { IngestPlan, LastPlan, PlanTenant, WriterChain } from '@breakwater/adapter-clickhouse';
import type { Logger } from '@breakwater/observability';
import { assert, type LogId } from '@breakwater/twin';
import { type Clock, type EventLog, type LogOrigin, PlatformError } from '@breakwater/twin-runtime';

import { carriedOver, carriesWhole } from '../carried-over.ts';
import { settlePlan, type SettleStores } from '../settle/settle-plan.ts';
import { chainMark } from './start-positions.ts';

/** One chain, with what settling it needs. */
export type ChainStores = SettleStores & {
  readonly plans: SettleStores['plans'] & {
    takeEpoch(owner: string): Promise<number>;
    lastPlan(): Promise<LastPlan | null>;
    tenantTotals(closed: IngestPlan): Promise<readonly PlanTenant[] | null>;
    open(plan: IngestPlan, closes: IngestPlan | null): Promise<void>;
  };
};

export interface DivisionStores {
  /** All chains that there are, of whatever division. */
  chains(): Promise<readonly WriterChain[]>;
  isRetired(chain: WriterChain): boolean;
  of(chain: WriterChain): ChainStores;
}

export interface RetireParts {
  readonly divisions: DivisionStores;
  readonly log: EventLog;
  readonly logId: LogId;
  readonly logOrigins: readonly LogOrigin[];
  readonly logger: Logger;
  readonly clock: Clock;
  readonly owner: string;
  readonly windowBlocks: number;
  /** The range that starts has this many beside it, itself included. */
  readonly of: number;
}

const TRIES_MAX = 20;
const PAUSE_MS = 100;

/**
 * Ends the chains of every other division of the lane, and answers their last plans. It is a take-over as any: a new
 * epoch, which refuses whoever owned the range, and the open plan settled. Then a mark is written as the next plan, so
 * that also a plan which slipped through beside the new epoch finds its number taken, and is met by the next try.
 *
 * Each writer takes its own epoch before it looks for the chains of others. Of two that start under different
 * divisions, at least one so sees the other and takes its epoch from it: never do both go on.
 */
export async function retireOtherDivisions(parts: RetireParts): Promise<readonly IngestPlan[]> {
  const last: IngestPlan[] = [];
  for (const chain of await parts.divisions.chains()) {
    if (chain.range.of === parts.of) continue;
    last.push(await retire(parts, chain));
  }
  return last;
}

/** Writers of the new division all start at once, and each does this: who is too late finds it done. */
async function retire(parts: RetireParts, found: WriterChain): Promise<IngestPlan> {
  const { divisions, clock } = parts;
  let chain: WriterChain | undefined = found;
  for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
    assert(chain !== undefined, 'a chain that was there stays');
    if (divisions.isRetired(chain) && chain.closed !== null) return chain.closed;
    try {
      return await takeAndEnd(parts, chain);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'STALE_EPOCH') throw error;
    }
    await clock.sleep(PAUSE_MS * (1 + Math.random() * attempt));
    chain = (await divisions.chains()).find(({ scope }) => scope === found.scope);
  }
  throw new PlatformError('STALE_EPOCH', `others keep taking ${found.scope}, of another division of the lane`, {
    retryable: true,
  });
}

async function takeAndEnd(parts: RetireParts, chain: WriterChain): Promise<IngestPlan> {
  const { log, logId, logOrigins, logger, owner, windowBlocks } = parts;
  const { scope } = chain;
  const stores = parts.divisions.of(chain);
  const epoch = await stores.plans.takeEpoch(owner);
  const last = await stores.plans.lastPlan();
  let plan = last?.plan ?? null;
  if (plan !== null && last?.open === true) {
    const logIsThere = plan.logId === logId || carriesWhole(carriedOver(plan, logId, logOrigins), plan);
    plan = await settlePlan({ log, stores, logger }, { plan, epoch, owner, logIsThere, windowBlocks });
  }
  const mark = chainMark('retired', {
    ...{ scope, epoch, owner, number: (plan?.number ?? 0) + 1, logId: plan?.logId ?? logId },
    partitions: plan?.partitions.map((part) => ({ ...part, from: part.to })) ?? [],
    tenantTotals: plan === null ? [] : await stores.plans.tenantTotals(plan),
    blockMark: await stores.plans.blockCounter(),
  });
  await stores.plans.open(mark, mark);
  logger.info({ scope, plan: mark.number, epoch }, 'the lane is divided anew: the chain of a former range has ended');
  return mark;
}
