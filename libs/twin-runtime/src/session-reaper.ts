import type { Partition } from '@breakwater/twin';

import type { Clock } from './ports/clock.ts';
import type { EventLog } from './ports/event-log.ts';
import type { InputRecord, RecordAppender } from './ports/record-appender.ts';
import type { SessionDirectory, SessionEntry } from './ports/session-directory.ts';
import type { TwinStore } from './ports/twin-store.ts';
import type { RegionObserver } from './region-observer.ts';
import { type TwinModel, twinModel } from './twin-model.ts';

/** Bounds and pace of a session reaper. */
export interface SessionReaperLimits {
  /** How often the sessions of owned partitions are looked through. */
  readonly scanPeriodMs: number;
  readonly sessionsPerPageMax: number;
  /** Sessions that are ended per second and worker, so that the loss of a gateway is no storm of its own. */
  readonly sessionsEndedPerSecond: number;
  /** A gateway's lease: for so long after a start, or a failure of the directory, nobody is declared dead. */
  readonly gatewayLeaseMs: number;
}

const DEFAULT_SESSION_REAPER_LIMITS: SessionReaperLimits = {
  scanPeriodMs: 2_000,
  sessionsPerPageMax: 500,
  sessionsEndedPerSecond: 1_000,
  gatewayLeaseMs: 6_000,
};

const SECOND_MS = 1_000;
const FIRST_CURSOR = '0';

export interface SessionReaperOptions {
  readonly directory: SessionDirectory;
  /** A gateway appends under its gateway id as producer id: what it still has in flight is refused from now on. */
  readonly log: Pick<EventLog, 'fenceProducer'>;
  readonly store: Pick<TwinStore, 'load'>;
  readonly input: RecordAppender;
  /** The partitions that this worker owns now. */
  readonly partitions: () => readonly Partition[];
  readonly clock: Clock;
  readonly observer: Pick<RegionObserver, 'failed'>;
  readonly limits?: Partial<SessionReaperLimits>;
  readonly model?: TwinModel;
}

/**
 * Ends the sessions that died with their gateway. The order is what counts: first the dead gateway's appends are
 * refused, then the end of its sessions goes into the log, and only when that is durable do the entries leave the
 * directory. Killed in between, the next owner finds the entries and does it again; a session's epoch makes that
 * harmless.
 */
export class SessionReaper {
  readonly #options: SessionReaperOptions;
  readonly #limits: SessionReaperLimits;
  readonly #model: TwinModel;
  #nobodyIsDeadUntilMs: number;

  constructor(options: SessionReaperOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_SESSION_REAPER_LIMITS, ...options.limits };
    this.#model = options.model ?? twinModel;
    this.#nobodyIsDeadUntilMs = options.clock.nowMs() + this.#limits.gatewayLeaseMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, observer, partitions } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(this.#limits.scanPeriodMs, signal);
      for (const partition of partitions()) {
        if (signal.aborted || clock.nowMs() < this.#nobodyIsDeadUntilMs) break;
        try {
          await this.#scan(partition, signal);
        } catch (error) {
          observer.failed('session reaper', error);
          // The directory was away, and with it perhaps the gateways' chance to renew their leases.
          this.#nobodyIsDeadUntilMs = clock.nowMs() + this.#limits.gatewayLeaseMs;
        }
      }
    }
  }

  async #scan(partition: Partition, signal: AbortSignal): Promise<void> {
    const { directory, log } = this.#options;
    let cursor = FIRST_CURSOR;
    do {
      const page = await directory.scan(partition, cursor, this.#limits.sessionsPerPageMax);
      const gatewayIds = [...new Set(page.entries.map(({ gatewayId }) => gatewayId))];
      const live = await directory.liveGateways(gatewayIds);
      const lost = page.entries.filter(({ gatewayId }) => !live.has(gatewayId));
      if (lost.length > 0) {
        for (const gatewayId of new Set(lost.map((entry) => entry.gatewayId))) {
          await log.fenceProducer(gatewayId, [partition]);
        }
        await this.#endSessions(partition, lost, signal);
      }
      cursor = page.cursor;
    } while (cursor !== FIRST_CURSOR && !signal.aborted);
  }

  async #endSessions(partition: Partition, lost: readonly SessionEntry[], signal: AbortSignal): Promise<void> {
    const { directory, input, clock } = this.#options;
    const records = await this.#recordsOf(partition, lost);
    if (records.length > 0 && !(await input.appendRecords(partition, records))) return;
    const ended = new Set(records.map(({ key }) => key));
    for (const { key, sessionEpoch } of lost) if (ended.has(key)) await directory.close(partition, key, sessionEpoch);
    await clock.sleep((lost.length / this.#limits.sessionsEndedPerSecond) * SECOND_MS, signal);
  }

  /** A device whose first record is not applied yet has no twin to say it to: its session waits for the next scan. */
  async #recordsOf(partition: Partition, lost: readonly SessionEntry[]): Promise<readonly InputRecord[]> {
    const stored = await this.#options.store.load(
      partition,
      lost.map(({ key }) => key),
    );
    return lost.flatMap(({ key, sessionEpoch }, index): readonly InputRecord[] => {
      const state = stored[index]?.state ?? null;
      if (state === null) return [];
      const { incarnation } = this.#model.parseTwin(state);
      return [{ key, incarnation, sessionEpoch, message: { kind: 'sessionClosed', reason: 'gatewayLost' } }];
    });
  }
}
