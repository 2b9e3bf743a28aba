import {
  type IngestPlan,
  type LastPlan,
  type PlanTenant,
  PlanStore,
  readWriterChains,
  SKIPPED_RANGE,
  type WriterChain,
} from '@breakwater/adapter-clickhouse';
import type { LogId, Partition } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';

import { EXIT } from '../cli-failure.ts';
import type { Stores } from '../installation/connect-stores.ts';
import {
  closedAsFarAsItCame,
  type FirstOffsets,
  type ForgottenRange,
  forgottenRanges,
  isUnrepeatable,
  newestPlan,
  type RecordsWithRows,
  settledChains,
  skippingPlan,
} from '../rows/skip-forgotten.ts';
import { bad, good, type Terminal } from '../terminal.ts';

export interface RowsSkipOptions {
  readonly acceptLoss?: boolean;
}

/** A telemetry-writer that cannot settle its plan is started again and again, and each time takes the chain from us. */
const TRIES_MAX = 20;

const OWNER = `breakwater rows skip ${process.pid}`;

/** What is to be done, as it was found. */
interface Found {
  /** Plans that nobody can repeat, as they would be closed; by scope. */
  readonly unrepeatable: ReadonlyMap<string, IngestPlan>;
  readonly chains: readonly WriterChain[];
  readonly ranges: readonly ForgottenRange[];
}

/**
 * Lets the telemetry-writers go on where the log begins, when the log has forgotten what comes after their last plans:
 * a restored ClickHouse, or one that was away for too long. Takes no record that the log still has away from them, and
 * without the word of the person at the terminal it only says what is lost. Writers may run meanwhile.
 *
 * Answers the exit code.
 */
export async function rowsSkipCommand(stores: Stores, options: RowsSkipOptions, terminal: Terminal): Promise<number> {
  const logId = await stores.log.logId();
  const firsts = await firstOffsets(stores);
  const found = await look(stores, logId, firsts);
  if (!found.chains.some((chain) => newestPlan(chain, logId) !== null)) {
    terminal.line('The telemetry-writer has no position in this log: it begins where the log does, by itself.');
    return 0;
  }
  if (found.ranges.length === 0 && found.unrepeatable.size === 0) {
    terminal.line('The log has everything from the position of the telemetry-writer on: there is nothing to skip.');
    return 0;
  }
  for (const { scope, number } of found.unrepeatable.values()) {
    terminal.line(bad(`plan ${number} of ${scope} is open, and the log has forgotten records of it`));
  }
  for (const { part, to } of found.ranges) {
    const { partition, to: from } = part;
    terminal.line(
      bad(`partition ${partition}: the rows of offsets ${from} to ${to - 1} are lost: the log begins at ${to}`),
    );
  }
  const count = found.ranges.reduce((sum, { part, to }) => sum + to - part.to, 0);
  if (options.acceptLoss !== true) {
    terminal.line(`${count} records are in no log any more. With --accept-loss the writer goes on behind them.`);
    return EXIT.differs;
  }
  for (const scope of found.unrepeatable.keys()) await closePlan(stores, scope, { logId, firsts });
  await skip(stores, logId, firsts);
  terminal.line(good(`The telemetry-writer goes on behind ${count} records, which the ledger shows as (skipped).`));
  return 0;
}

async function look(stores: Stores, logId: LogId, firsts: FirstOffsets): Promise<Found> {
  const chains = await readWriterChains(stores.clickhouse);
  const unrepeatable = new Map<string, IngestPlan>();
  for (const chain of chains) {
    const last = newestPlan(chain, logId);
    if (last === null || !isUnrepeatable(last, firsts)) continue;
    unrepeatable.set(chain.scope, closedAsFarAsItCame(last, await recordsWithRows(stores, last)));
  }
  return { unrepeatable, chains, ranges: forgottenRanges(settledChains(chains, unrepeatable), logId, firsts) };
}

/** A take-over as any: a new epoch refuses whoever writes plans and rows meanwhile; then the plan is looked at anew. */
async function closePlan(
  stores: Stores,
  scope: string,
  { logId, firsts }: { readonly logId: LogId; readonly firsts: FirstOffsets },
): Promise<void> {
  const chain = (await readWriterChains(stores.clickhouse)).find((each) => each.scope === scope);
  if (chain === undefined) return;
  const plans = new PlanStore(stores.clickhouse, chain.range);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const author = { epoch: await plans.takeEpoch(OWNER), owner: OWNER };
      const last = await plans.lastPlan();
      if (last === null || last.plan.logId !== logId || !isUnrepeatable(last, firsts)) return;
      await plans.close({ ...closedAsFarAsItCame(last, await recordsWithRows(stores, last)), ...author });
      return;
    } catch (error) {
      const isTaken = error instanceof PlatformError && error.code === 'STALE_EPOCH';
      if (!isTaken || attempt === TRIES_MAX) throw error;
    }
  }
}

async function skip(stores: Stores, logId: LogId, firsts: FirstOffsets): Promise<void> {
  const plans = new PlanStore(stores.clickhouse, SKIPPED_RANGE);
  const epoch = await plans.takeEpoch(OWNER);
  const { ranges } = await look(stores, logId, firsts);
  if (ranges.length === 0) return;
  const totals = new Map<string, readonly PlanTenant[] | null>();
  for (const { chain } of ranges) {
    if (chain.closed !== null) totals.set(chain.scope, await plans.tenantTotals(chain.closed));
  }
  const plan = skippingPlan(ranges, (await plans.lastPlan())?.plan ?? null, {
    ...{ epoch, owner: OWNER, logId, blockMark: await plans.blockCounter() },
    totalsOf: ({ scope }) => totals.get(scope) ?? null,
  });
  await plans.open(plan, plan);
}

async function recordsWithRows({ audit }: Stores, { plan }: LastPlan): Promise<RecordsWithRows> {
  const found = new Map<number, number>();
  for (const { partition, from, to } of plan.partitions) {
    if (from === to) continue;
    const range = { logId: plan.logId, partition: partition as Partition, from, to };
    found.set(partition, (await audit.countRange(range)).records);
  }
  return found;
}

async function firstOffsets({ log, partitionCount }: Stores): Promise<FirstOffsets> {
  const firsts = new Map<number, number>();
  for (let partition = 0; partition < partitionCount; partition += 1) {
    firsts.set(partition, (await log.bounds('telemetry', partition as Partition)).first);
  }
  return firsts;
}
