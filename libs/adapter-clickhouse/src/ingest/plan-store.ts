import { assert, type LogId } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { PLANS_PER_PARTITION } from '../migrations/0002-ingest-plans.ts';
import { type IngestPlan, PLANS_PER_TENANT_TOTALS, type PlanTenant } from './ingest-plan.ts';
import { planFromRow, planToRow, type PlanRow, tenantsFromText } from './plan-row.ts';
import { sumByTenant } from './tenant-sums.ts';
import { entrancesOf, epochsBegin, scopeOf, WHOLE_LANE, type WriterRange } from './writer-range.ts';

/** Old plans are kept for audits: about ten days at three rounds a second. */
const PLAN_PARTITIONS_KEPT = 20;
const TAKE_EPOCH_TRIES_MAX = 20;

export interface LastPlan {
  readonly plan: IngestPlan;
  readonly open: boolean;
}

/**
 * A plan's number is its deduplication token: when two writers write the same number, the table keeps one and both read
 * back which. Together with the epoch, which every insert compares, that makes the chain of plans have one author.
 */
export class PlanStore {
  readonly #clickhouse: ClickHouse;
  readonly #range: WriterRange;
  readonly #scope: string;
  readonly #entrance: string;

  constructor(clickhouse: ClickHouse, range: WriterRange = WHOLE_LANE) {
    this.#clickhouse = clickhouse;
    this.#range = range;
    this.#scope = scopeOf(range);
    this.#entrance = entrancesOf(this.#scope).plans;
  }

  /** Starts a new ownership period: inserts under every older epoch are refused from here on. */
  async takeEpoch(owner: string): Promise<number> {
    for (let attempt = 0; attempt < TAKE_EPOCH_TRIES_MAX; attempt += 1) {
      const [newest] = await this.#rows<{ epoch: string }>(
        'SELECT max(epoch) AS epoch FROM {database:Identifier}.writer_epochs WHERE scope = {scope:String}',
      );
      const epoch = Math.max(Number(newest?.epoch ?? 0), epochsBegin(this.#range)) + 1;
      await this.#insert('writer_epochs', [{ scope: this.#scope, epoch, owner }], `epoch/${this.#scope}/${epoch}`);
      const [winner] = await this.#rows<{ owner: string }>(
        'SELECT owner FROM {database:Identifier}.writer_epochs WHERE scope = {scope:String} AND epoch = {epoch:UInt64}',
        { epoch },
      );
      if (winner?.owner === owner) return epoch;
    }
    throw new PlatformError('STALE_EPOCH', 'other writers keep taking the same partitions', { retryable: true });
  }

  async lastPlan(): Promise<LastPlan | null> {
    const rows = await this.#rows<PlanRow>(
      `SELECT * FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String} AND number =
         (SELECT max(number) FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String})
       ORDER BY state, epoch`,
    );
    // What a plan was closed with may differ in its counts: lines that were refused became dead letters meanwhile.
    const closed = rows.find(({ state }) => state === 'closed');
    const newest = closed ?? rows[0];
    return newest === undefined ? null : { plan: planFromRow(newest), open: closed === undefined };
  }

  /** The newest closed plans of a log, ascending. */
  async closedPlans(logId: LogId, plansMax: number): Promise<readonly IngestPlan[]> {
    const rows = await this.#rows<PlanRow>(
      `SELECT * FROM {database:Identifier}.ingest_plans
       WHERE scope = {scope:String} AND state = 'closed' AND log_id = {log:String} AND number + {plans:UInt64} >
         (SELECT max(number) FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String})
       ORDER BY number LIMIT 1 BY number`,
      { log: logId, plans: plansMax },
    );
    return rows.map(planFromRow);
  }

  /** The first closed plan of a log that is still kept. */
  async oldestClosedPlan(logId: LogId): Promise<IngestPlan | null> {
    const [row] = await this.#rows<PlanRow>(
      `SELECT * FROM {database:Identifier}.ingest_plans
       WHERE scope = {scope:String} AND state = 'closed' AND log_id = {log:String} ORDER BY scope, number LIMIT 1`,
      { log: logId },
    );
    return row === undefined ? null : planFromRow(row);
  }

  /** The newest closed plan, and the open one behind it if there is one. */
  async newestPlans(): Promise<{ readonly closed: IngestPlan | null; readonly open: IngestPlan | null }> {
    const rows = await this.#rows<PlanRow>(
      `SELECT * FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String} AND number + 1 >=
         (SELECT max(number) FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String})
       ORDER BY number DESC, state`,
    );
    const closed = rows.find(({ state }) => state === 'closed');
    const open = rows.find((row) => row.state === 'open' && Number(row.number) > Number(closed?.number ?? 0));
    return { closed: closed ? planFromRow(closed) : null, open: open ? planFromRow(open) : null };
  }

  /**
   * Records by tenant since the log of this closed plan began, or null when that is not known: plans of an older build
   * do not say it. The plan may be of any range.
   */
  async tenantTotals(closed: IngestPlan): Promise<readonly PlanTenant[] | null> {
    if (closed.tenantTotals !== null) return closed.tenantTotals;
    const rows = await this.#rows<Pick<PlanRow, 'tenants' | 'tenant_totals'>>(
      `SELECT tenants, tenant_totals FROM {database:Identifier}.ingest_plans
       WHERE scope = {scope:String} AND state = 'closed' AND log_id = {log:String}
         AND number <= {number:UInt64} AND number + {plans:UInt64} > {number:UInt64}
       ORDER BY number DESC LIMIT 1 BY number`,
      { scope: closed.scope, log: closed.logId, number: closed.number, plans: PLANS_PER_TENANT_TOTALS },
    );
    const at = rows.findIndex((row) => row.tenant_totals !== '');
    if (at < 0) return null;
    const since = rows.slice(0, at).map((row) => tenantsFromText(row.tenants) ?? []);
    return sumByTenant([tenantsFromText(rows[at]?.tenant_totals ?? '') ?? [], ...since]);
  }

  /**
   * Opens a plan and, in the same block, closes the one before it: an insert of its own has a fixed cost.
   *
   * @throws PlatformError STALE_EPOCH when another writer wrote a plan of this number, or owns the lane now.
   */
  async open(plan: IngestPlan, closes: IngestPlan | null = null): Promise<void> {
    const closed = closes === null ? [] : [planToRow(closes, 'closed')];
    const rows = [...closed, planToRow(plan, 'open')];
    await this.#insert(this.#entrance, rows, `plan/${this.#scope}/${plan.number}/open`);
    if (plan.number % PLANS_PER_PARTITION === 0) await this.#dropOldPlans(plan.number);
    const [stored] = await this.#rows<{ owner: string; epoch: string }>(
      `SELECT owner, epoch FROM {database:Identifier}.ingest_plans
       WHERE scope = {scope:String} AND number = {number:UInt64} AND state = 'open'`,
      { number: plan.number },
    );
    assert(stored !== undefined, 'a plan that was inserted can be read back');
    if (stored.owner === plan.owner && Number(stored.epoch) === plan.epoch) return;
    throw new PlatformError('STALE_EPOCH', `plan ${plan.number} was written by ${stored.owner}`);
  }

  /** Says that every row of the plan is stored. `epoch` and `owner` are of whoever settled it. */
  async close(plan: IngestPlan): Promise<void> {
    await this.#insert(this.#entrance, [planToRow(plan, 'closed')], `plan/${this.#scope}/${plan.number}/closed`);
  }

  /** Blocks that a table got at most since a closed plan was begun, of all ranges, by what their plans say. */
  async blocksPlannedSince({ scope, number }: IngestPlan): Promise<number> {
    const [row] = await this.#rows<{ blocks: string }>(
      `SELECT sum(length(days)) AS blocks FROM {database:Identifier}.ingest_plans WHERE state = 'open' AND at >=
         (SELECT min(at) FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String} AND number = {number:UInt64})`,
      { scope, number },
    );
    return Number(row?.blocks ?? 0);
  }

  /** The raw table's block counter: it grows by one with every block that is inserted, by whomever. */
  async blockCounter(): Promise<number> {
    const [row] = await this.#rows<{ blocks: string }>(
      `SELECT max(max_block_number) AS blocks FROM system.parts
       WHERE database = {name:String} AND table = 'telemetry'`,
      { name: this.#clickhouse.database },
    );
    return Number(row?.blocks ?? 0);
  }

  /** Whether a table or a view was made or altered in a later second than the plan was written. */
  async tablesChangedSince({ number }: IngestPlan): Promise<boolean> {
    const [row] = await this.#rows<{ changed: string }>(
      `SELECT count() AS changed FROM system.tables
       WHERE database = {name:String} AND metadata_modification_time > (SELECT min(at)
         FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String} AND number = {number:UInt64})`,
      { name: this.#clickhouse.database, number },
    );
    return Number(row?.changed ?? 0) > 0;
  }

  async #dropOldPlans(newest: number): Promise<void> {
    const step = Math.floor(newest / PLANS_PER_PARTITION) - PLAN_PARTITIONS_KEPT;
    if (step < 0) return;
    await this.#clickhouse.client.command({
      query: `ALTER TABLE ${this.#clickhouse.database}.ingest_plans DROP PARTITION ('${this.#scope}', ${step})`,
      ...abortable(this.#clickhouse),
    });
  }

  async #insert(table: string, values: readonly object[], token: string): Promise<void> {
    try {
      await this.#clickhouse.client.insert({
        table: `${this.#clickhouse.database}.${table}`,
        values,
        format: 'JSONEachRow',
        clickhouse_settings: {
          insert_deduplicate: 1,
          deduplicate_blocks_in_dependent_materialized_views: 1,
          async_insert: 0,
          insert_deduplication_token: token,
        },
        ...abortable(this.#clickhouse),
      });
    } catch (error) {
      throw clickHouseFailure(error, `writing ${token}`);
    }
  }

  async #rows<Row>(query: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<readonly Row[]> {
    try {
      const result = await this.#clickhouse.client.query({
        query,
        format: 'JSONEachRow',
        query_params: { database: this.#clickhouse.database, scope: this.#scope, ...parameters },
        ...abortable(this.#clickhouse),
      });
      return await result.json<Row>();
    } catch (error) {
      throw clickHouseFailure(error, 'reading plans');
    }
  }
}
