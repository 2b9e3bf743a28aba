import type { Partition } from '@breakwater/twin';
import type { WriterLedger, WriterLedgerEntry } from '@breakwater/twin-runtime';

import type { ClickHouse } from '../connect-clickhouse.ts';
import { PlanStore } from '../ingest/plan-store.ts';

/** What the writer's last plan says: an open one is not counted yet, its records are still in flight. */
export class ClickHouseWriterLedger implements WriterLedger {
  readonly #plans: PlanStore;

  constructor(clickhouse: ClickHouse) {
    this.#plans = new PlanStore(clickhouse);
  }

  async readWriterLedger(): Promise<readonly WriterLedgerEntry[]> {
    const { closed, open } = await this.#plans.newestPlans();
    return (
      (closed ?? open)?.partitions.map((part) => {
        const inPlan = open?.partitions.find(({ partition }) => partition === part.partition);
        return {
          partition: part.partition as Partition,
          position: closed === null ? part.from : part.to,
          counts:
            closed === null
              ? { stored: 0, nothingToStore: 0, dead: 0 }
              : { stored: part.stored, nothingToStore: part.nothingToStore, dead: part.dead },
          openPlans: inPlan !== undefined && inPlan.from < inPlan.to ? 1 : 0,
        };
      }) ?? []
    );
  }
}
