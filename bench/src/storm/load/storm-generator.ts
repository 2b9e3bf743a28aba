import type { HistogramSnapshot } from '../../latency-histogram.ts';
import type { DeviceLogin } from '../../simulated-device.ts';
import { EventPackets } from './event-packets.ts';
import { RateSchedule } from './rate-schedule.ts';
import { StormDevice, type StormDeviceContext } from './storm-device.ts';

/** How often the generator looks at the clock and sends what is due. */
const TICK_MS = 5;
const PING_LOOK_MS = 1_000;
const CONNECTS_AT_ONCE = 100;
const SETTLE_POLL_MS = 20;
/** Connections per source address on loopback: well below the ports that one address has. */
const CONNECTIONS_PER_ADDRESS = 8_000;
const SOURCE_ADDRESSES = 64;
const CONNECT_TIMEOUT_MS = 120_000;

export interface StormTarget {
  readonly host: string;
  readonly port: number;
  /** Groups of four values in each event; 1 when it is left out. */
  readonly valueGroups?: number;
}

/** What one device knows of its events, which are counted from 0. */
export interface DeviceOutcome {
  readonly id: string;
  /** All below this are acknowledged. */
  readonly acknowledged: number;
  /** All below this were sent, and none above. */
  readonly sent: number;
}

export interface StormProgress {
  readonly atMs: number;
  readonly due: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly connected: number;
  /** Connections that were lost and were not cut by the load itself. */
  readonly connectionsLost: number;
  /** Connections that ended before they were accepted. */
  readonly connectsFailed: number;
  /** PUBACKs out of order: each is a broken promise. */
  readonly disordered: number;
}

/**
 * An open loop: events are due at a rate, whatever becomes of them, and each one's latency runs from the moment it was
 * due. Its memory does not grow with the number of events.
 */
export class StormGenerator {
  readonly #devices: readonly StormDevice[];
  readonly #schedule: RateSchedule;
  readonly #timer: NodeJS.Timeout;
  #doneEvents = 0;
  #acknowledged = 0;
  #connected = 0;
  /** CONNACKs, of reconnects too. */
  #accepted = 0;
  #isOffering = true;
  #connectionsLost = 0;
  #connectsFailed = 0;
  #disordered = 0;
  #sockets = 0;
  #nextPingLookMs = 0;

  constructor(logins: readonly DeviceLogin[], target: StormTarget) {
    this.#schedule = new RateSchedule(logins.length);
    const context: StormDeviceContext = {
      ...target,
      schedule: this.#schedule,
      packets: new EventPackets(target.valueGroups),
      sourceAddress: () => this.#sourceAddress(logins.length),
      connected: () => {
        this.#connected += 1;
        this.#accepted += 1;
      },
      lost: (isOwn) => {
        this.#connected -= 1;
        if (!isOwn) this.#connectionsLost += 1;
      },
      connectFailed: () => {
        this.#connectsFailed += 1;
      },
      acknowledged: (event) => {
        this.#acknowledged += 1;
        const phase = this.#schedule.phaseOf(event);
        phase.latency.record(Date.now() - this.#schedule.dueAtMs(event));
      },
      isOffering: () => this.#isOffering,
      disordered: () => {
        this.#disordered += 1;
      },
    };
    this.#devices = logins.map((login, index) => new StormDevice(login, index, context));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Opens all connections and waits until each is accepted. */
  async connect(): Promise<void> {
    const endMs = Date.now() + CONNECT_TIMEOUT_MS;
    for (const [index, device] of this.#devices.entries()) {
      device.open();
      while (index - this.#connected >= CONNECTS_AT_ONCE) await pauseUntil(endMs);
    }
    await this.#allConnected(endMs);
  }

  /** Resolves when the last event of the phase is due. */
  async run(phase: { readonly eventsPerSecond: number; readonly seconds: number }): Promise<void> {
    const { endEvent } = this.#schedule.begin(phase.eventsPerSecond, phase.seconds, Date.now());
    while (this.#schedule.dueBy(Date.now()) < endEvent) await pause(TICK_MS);
  }

  /** Waits until everything due is acknowledged; answers how much is not when the time is over. */
  async settle(timeoutMs: number): Promise<number> {
    const endMs = Date.now() + timeoutMs;
    const open = (): number => (this.#isOffering ? this.#schedule.end : this.#sent()) - this.#acknowledged;
    while (open() > 0 && Date.now() < endMs) await pause(SETTLE_POLL_MS);
    return open();
  }

  /** What was due and could not be sent yet is given up; the platform never saw it. For good. Answers how much. */
  giveUpUnsent(): number {
    this.#isOffering = false;
    return this.#schedule.end - this.#sent();
  }

  /** All connections are lost at once, and the devices come back spread over the time. Resolves when all are back. */
  async cutAll(withinMs: number): Promise<number> {
    const startMs = Date.now();
    const endMs = startMs + withinMs + CONNECT_TIMEOUT_MS;
    const acceptedAfter = this.#accepted + this.#devices.length;
    for (const device of this.#devices) device.cut(Math.random() * withinMs);
    while (this.#accepted < acceptedAfter) await pauseUntil(endMs);
    await this.#allConnected(endMs);
    return Date.now() - startMs;
  }

  progress(): StormProgress {
    const atMs = Date.now();
    return {
      atMs,
      due: this.#schedule.dueBy(atMs),
      sent: this.#sent(),
      acknowledged: this.#acknowledged,
      connected: this.#connected,
      connectionsLost: this.#connectionsLost,
      connectsFailed: this.#connectsFailed,
      disordered: this.#disordered,
    };
  }

  /** From due to PUBACK, of each phase in turn. */
  latencies(): readonly HistogramSnapshot[] {
    return this.#schedule.phases.map(({ latency }) => latency.snapshot());
  }

  outcomes(): readonly DeviceOutcome[] {
    return this.#devices.map(({ id, acknowledged, sent }) => ({ id, acknowledged, sent }));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#devices.map((device) => device.close()));
  }

  #sent(): number {
    return this.#devices.reduce((sum, device) => sum + device.sent, 0);
  }

  #tick(): void {
    const nowMs = Date.now();
    const due = this.#schedule.dueBy(nowMs);
    const count = Math.min(due - this.#doneEvents, this.#devices.length);
    for (let turn = 0; turn < count; turn += 1) {
      const device = this.#devices[(this.#doneEvents + turn) % this.#devices.length] as StormDevice;
      device.send(due, nowMs);
    }
    this.#doneEvents = due;
    if (nowMs < this.#nextPingLookMs) return;
    this.#nextPingLookMs = nowMs + PING_LOOK_MS;
    for (const device of this.#devices) device.ping(nowMs);
  }

  async #allConnected(endMs: number): Promise<void> {
    while (this.#connected < this.#devices.length) await pauseUntil(endMs);
  }

  /** All of 127.0.0.0/8 is loopback on Linux; elsewhere only its first address is. */
  #sourceAddress(connections: number): string | undefined {
    if (process.platform !== 'linux' || connections < CONNECTIONS_PER_ADDRESS) return undefined;
    this.#sockets += 1;
    return `127.0.0.${2 + (this.#sockets % SOURCE_ADDRESSES)}`;
  }
}

async function pauseUntil(endMs: number): Promise<void> {
  if (Date.now() > endMs) throw new Error('not all devices are connected in time');
  await pause(TICK_MS);
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
