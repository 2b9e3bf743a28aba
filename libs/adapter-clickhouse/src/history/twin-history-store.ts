import { type Partition, splitDeviceKey } from '@breakwater/twin';
import type { FeedEntry } from '@breakwater/twin-runtime';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { runRead } from '../read/run-read.ts';

const CURSORS = `SELECT partition, max(feed_cursor) AS last FROM {database:Identifier}.twin_feed_cursors
WHERE feed_id = {feed:String} GROUP BY partition`;

/** Where changes of twins are kept. Storing one again changes nothing. */
export class TwinHistoryStore {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  /** The last entry of each partition of a feed that is stored; a partition of which none is stored is left out. */
  async cursors(feedId: string): Promise<ReadonlyMap<Partition, string>> {
    const rows = await runRead<{ readonly partition: number; readonly last: string }>(this.#clickhouse, {
      doing: 'reading how far the history of twins is',
      query: CURSORS,
      parameters: { feed: feedId },
    });
    return new Map(rows.map(({ partition, last }) => [partition as Partition, String(last)]));
  }

  async store(feedId: string, entries: readonly FeedEntry[]): Promise<void> {
    try {
      await this.#clickhouse.client.insert({
        table: `${this.#clickhouse.database}.twin_changes`,
        values: entries.map((entry) => ({ ...rowOf(entry), feed_id: feedId })),
        format: 'JSONEachRow',
        clickhouse_settings: { date_time_input_format: 'best_effort' },
        ...abortable(this.#clickhouse),
      });
    } catch (error) {
      throw clickHouseFailure(error, 'storing changes of twins');
    }
  }
}

function rowOf({ partition, cursor, change }: FeedEntry): Record<string, unknown> {
  const { tenant, device } = splitDeviceKey(change.key);
  return {
    ...{ tenant, device_id: device, incarnation: change.incarnation, change_number: change.changeNumber },
    ...{ ts: new Date(change.tsMs).toISOString(), sections: change.sections, document: change.document },
    // An outbox may still hold what an older build has put there.
    ...{ version: change.version ?? 0, reported_version: change.reportedVersion ?? 0 },
    ...{ log_id: change.logId ?? '', lane: change.lane ?? '', log_offset: change.offset ?? 0 },
    ...{ partition, feed_cursor: cursor },
  };
}
