import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import type { Clock, DownlinkChannel, EventLog, LeavingSession, SessionDirectory } from '@breakwater/twin-runtime';

export interface SessionTakeoverOptions {
  readonly directory: Pick<SessionDirectory, 'leaving' | 'close' | 'liveGateways'>;
  readonly downlinks: Pick<DownlinkChannel, 'send'>;
  readonly log: Pick<EventLog, 'fenceProducer'>;
  readonly clock: Clock;
  /** How long a gateway that says nothing is waited for. */
  readonly takeoverAnswerMs: number;
  /** How long one that has answered is. */
  readonly takeoverWaitMs: number;
  readonly fencedPairsMax: number;
  readonly onEnd?: (end: TakeoverEnd) => void;
}

/** `silent`: the older gateway said nothing; `overdue`: it said that it knows, and had not finished in time. */
export type TakeoverEnd = 'settled' | 'fenced' | 'silent' | 'overdue';

/** The connection that takes over, and whom from. */
export interface Takeover {
  readonly key: DeviceKey;
  readonly partition: Partition;
  readonly sessionEpoch: SessionEpoch;
  readonly leaving: readonly LeavingSession[];
}

const POLL_MS_MIN = 5;
const POLL_MS_MAX = 100;
/** A full channel took no notice, and a gateway may have died since: both are looked at again. */
const TELL_AGAIN_MS = 500;

/**
 * The way of a device from one gateway to another. What the older one has read of the device and not yet appended would
 * stand in the log behind what the device says next, and what the device sends again would not be found there. So the
 * newer connection is opened only when each older one has left: a living gateway says so in the directory once nothing
 * of the device is on its way any more, and of a dead one the log takes nothing from then on.
 *
 * A gateway that hangs cannot keep its devices from every other one, so the wait ends. What it still appends then is
 * told by its lower session epoch, and a twin passes it over.
 */
export class SessionTakeover {
  readonly #options: SessionTakeoverOptions;
  /** Dead gateways that are fenced already, per partition. */
  readonly #fenced = new Set<string>();

  constructor(options: SessionTakeoverOptions) {
    this.#options = options;
  }

  /** Tells those that live, and answers them; fences those that do not. */
  async tell({ key, partition, leaving }: Takeover): Promise<readonly LeavingSession[]> {
    const { directory, downlinks } = this.#options;
    if (leaving.length === 0) return leaving;
    const living = await directory.liveGateways([...new Set(leaving.map(({ gatewayId }) => gatewayId))]);
    for (const { gatewayId, sessionEpoch } of leaving) {
      if (living.has(gatewayId)) {
        await downlinks.send(gatewayId, [{ kind: 'closeSession', key, sessionEpoch, reason: 'takenOver' }]);
        continue;
      }
      await this.#fence(gatewayId, partition);
      await directory.close(partition, key, sessionEpoch);
      this.#options.onEnd?.('fenced');
    }
    return leaving.filter(({ gatewayId }) => living.has(gatewayId));
  }

  /** Settles when nothing of the device's older connections can get into the log, or when it took too long. */
  async finish(takeover: Takeover): Promise<void> {
    const { clock } = this.#options;
    const startedAtMs = clock.nowMs();
    let toldAtMs = startedAtMs;
    let leaving = await this.tell(takeover);
    for (let pauseMs = POLL_MS_MIN; ; pauseMs = Math.min(POLL_MS_MAX, 2 * pauseMs)) {
      leaving = await this.#stillLeaving({ ...takeover, leaving }, clock.nowMs() - startedAtMs);
      if (leaving.length > 0 && clock.nowMs() - toldAtMs >= TELL_AGAIN_MS) {
        toldAtMs = clock.nowMs();
        leaving = await this.tell({ ...takeover, leaving });
      }
      if (leaving.length === 0) return;
      await clock.sleep(pauseMs);
    }
  }

  /** Those that are waited for. The time of the others is over, and nobody after us waits for them again. */
  async #stillLeaving(takeover: Takeover, waitedMs: number): Promise<readonly LeavingSession[]> {
    const { directory, takeoverAnswerMs, takeoverWaitMs, onEnd } = this.#options;
    const { key, partition, sessionEpoch, leaving } = takeover;
    if (leaving.length === 0) return leaving;
    // What took over from us meanwhile waits for us, and not we for it.
    const older = (await directory.leaving(partition, key)).filter((one) => one.sessionEpoch < sessionEpoch);
    const isLeaving = new Set(older.map((one) => one.sessionEpoch));
    for (const one of leaving) if (!isLeaving.has(one.sessionEpoch)) onEnd?.('settled');
    const late = older.filter(({ isHeard }) => waitedMs >= (isHeard ? takeoverWaitMs : takeoverAnswerMs));
    for (const { sessionEpoch: lateEpoch, isHeard } of late) {
      await directory.close(partition, key, lateEpoch);
      onEnd?.(isHeard ? 'overdue' : 'silent');
    }
    return older.filter((one) => !late.includes(one));
  }

  async #fence(gatewayId: string, partition: Partition): Promise<void> {
    const pair = `${gatewayId}:${partition}`;
    if (this.#fenced.has(pair)) return;
    await this.#options.log.fenceProducer(gatewayId, [partition]);
    if (this.#fenced.size >= this.#options.fencedPairsMax) this.#fenced.clear();
    this.#fenced.add(pair);
  }
}
