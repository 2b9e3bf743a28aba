import type { DeviceKey, Incarnation, SessionEpoch } from '@breakwater/twin';

import type { InputRecord } from '../ports/record-appender.ts';
import type { DueTimer } from '../ports/twin-store.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import { timerName } from './shard-batch.ts';
import type { ShardTable } from './shard-table.ts';

const NO_SESSION = 0 as SessionEpoch;

/**
 * Due timers enter the log like everything else that happens to a twin, and are removed by the commit that applies
 * them: one that was appended and not yet applied is appended again only by another owner, and its generation makes
 * the second firing void.
 */
export class TimerPoller {
  readonly #parts: RegionParts;
  readonly #table: ShardTable;

  constructor(parts: RegionParts, table: ShardTable) {
    this.#parts = parts;
    this.#table = table;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, limits, observer } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(limits.timerPollMs, signal);
      if (signal.aborted) return;
      for (const shard of [...this.#table.shards]) void shard.outbox.refresh();
      await Promise.all(
        [...this.#table.shards].map((shard) =>
          this.#poll(shard).catch((error: unknown) => observer.failed('timers', error)),
        ),
      );
    }
  }

  async #poll(shard: Shard): Promise<void> {
    const { store, clock, limits, input } = this.#parts;
    const room = limits.timersPerPollMax - shard.firing.size;
    if (!shard.isRunning || room <= 0) return;
    // Those on their way stand first in the answer; without them in the limit they would hide the others.
    const due = await store.dueTimers(shard.partition, clock.nowMs(), limits.timersPerPollMax);
    const fresh = due.filter((timer) => !shard.firing.has(nameOf(timer))).slice(0, room);
    if (fresh.length === 0) return;
    const incarnations = await this.#incarnations(shard, fresh);
    if (!shard.isRunning) return;
    const records = fresh.map((timer): InputRecord => {
      const { key, timerId, generation } = timer;
      const incarnation = incarnations.get(key) ?? (0 as Incarnation);
      return { key, incarnation, sessionEpoch: NO_SESSION, message: { kind: 'timerFired', timerId, generation } };
    });
    for (const timer of fresh) shard.firing.add(nameOf(timer));
    let durable = false;
    try {
      durable = await input.appendRecords(shard.partition, records);
    } finally {
      if (!durable) for (const timer of fresh) shard.firing.delete(nameOf(timer));
    }
  }

  async #incarnations(shard: Shard, timers: readonly DueTimer[]): Promise<ReadonlyMap<DeviceKey, Incarnation>> {
    const keys = [...new Set(timers.map(({ key }) => key))];
    const stored = await this.#parts.store.load(shard.partition, keys);
    const known = new Map<DeviceKey, Incarnation>();
    for (const { key, state } of stored) {
      if (state !== null) known.set(key, this.#parts.model.parseTwin(state).incarnation);
    }
    return known;
  }
}

function nameOf({ key, timerId, generation }: DueTimer): string {
  return timerName(key, timerId, generation);
}
