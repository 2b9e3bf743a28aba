import { LatencyHistogram } from '../../latency-histogram.ts';

const MS_PER_SECOND = 1_000;

/** A stretch of constant rate. Events are numbered through all phases, from 0. */
export interface RatePhase {
  readonly eventsPerSecond: number;
  readonly startMs: number;
  readonly firstEvent: number;
  /** The first event after it. */
  readonly endEvent: number;
  /** From the moment an event was due to its PUBACK; also when that comes in a later phase. */
  readonly latency: LatencyHistogram;
}

/**
 * When each event of the load is due. Event `n` belongs to device `n mod devices`, so the whole wheel is arithmetic:
 * no event is an object, and the due time of one that had to wait, or is sent again, is known without being kept.
 */
export class RateSchedule {
  readonly #devices: number;
  readonly #phases: RatePhase[] = [];
  #end = 0;

  constructor(devices: number) {
    this.#devices = devices;
  }

  /** Events of all phases so far. */
  get end(): number {
    return this.#end;
  }

  get phases(): readonly RatePhase[] {
    return this.#phases;
  }

  /** The next phase begins when the one before it is over. */
  begin(eventsPerSecond: number, seconds: number, startMs: number): RatePhase {
    const firstEvent = this.#end;
    this.#end += Math.round(eventsPerSecond * seconds);
    const latency = new LatencyHistogram();
    const phase = { eventsPerSecond, startMs, firstEvent, endEvent: this.#end, latency };
    this.#phases.push(phase);
    return phase;
  }

  /** Events that are due by now; the next one is the first that is not. */
  dueBy(nowMs: number): number {
    const phase = this.#phases.at(-1);
    if (phase === undefined) return 0;
    const elapsed = Math.floor(((nowMs - phase.startMs) * phase.eventsPerSecond) / MS_PER_SECOND) + 1;
    return Math.min(phase.endEvent, phase.firstEvent + Math.max(0, elapsed));
  }

  dueAtMs(event: number): number {
    const phase = this.phaseOf(event);
    return phase.startMs + ((event - phase.firstEvent) * MS_PER_SECOND) / phase.eventsPerSecond;
  }

  phaseOf(event: number): RatePhase {
    for (let at = this.#phases.length - 1; at >= 0; at -= 1) {
      const phase = this.#phases[at] as RatePhase;
      if (event >= phase.firstEvent) return phase;
    }
    throw new Error(`event ${event} is in no phase`);
  }

  /** Of the first `dueEvents` events, those of one device. */
  eventsOf(device: number, dueEvents: number): number {
    return Math.max(0, Math.ceil((dueEvents - device) / this.#devices));
  }

  /** The device's event with this number of its own, counted from 0, in the numbering of all. */
  eventOf(device: number, ownNumber: number): number {
    return ownNumber * this.#devices + device;
  }
}
