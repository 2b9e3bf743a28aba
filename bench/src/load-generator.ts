import { LatencyHistogram, type HistogramSnapshot } from './latency-histogram.ts';
import { type CommandManner, SimulatedDevice, type DeviceLogin } from './simulated-device.ts';

/** How often the generator looks at the clock and sends what is due. */
const ROUND_MS = 5;
/** Connections that are being opened at the same time. */
const CONNECTS_AT_ONCE = 50;

/** A stretch of constant rate. The generator is an open loop: what is due is sent, however slow the answers are. */
export interface LoadPhase {
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

export interface LoadProgress {
  readonly sent: number;
  readonly acknowledged: number;
  readonly skipped: number;
  readonly reconnects: number;
  readonly connected: number;
  /** Commands that devices ended. */
  readonly commands: number;
  readonly latency: HistogramSnapshot;
}

export interface LoadGeneratorOptions {
  readonly logins: readonly DeviceLogin[];
  readonly host: string;
  readonly port: number;
  /** By default devices do not listen to commands. */
  readonly commands?: CommandManner;
}

/** Sends telemetry from many simulated devices and keeps, per device, exactly which events were acknowledged. */
export class LoadGenerator {
  readonly #devices: SimulatedDevice[];
  readonly #acknowledged = new Map<string, number[]>();
  readonly #latency = new LatencyHistogram();
  #acknowledgedCount = 0;
  #skipped = 0;
  #reconnects = 0;
  #connected = 0;
  #commands = 0;
  #turn = 0;
  #isClosed = false;

  constructor(options: LoadGeneratorOptions) {
    const events = {
      acknowledged: (device: SimulatedDevice, seq: number, latencyMs: number) => {
        this.#acknowledgedCount += 1;
        this.#latency.record(latencyMs);
        this.#acknowledged.get(device.id)?.push(seq);
      },
      reconnecting: () => {
        this.#reconnects += 1;
      },
      answered: () => {
        this.#commands += 1;
      },
    };
    const { host, port, commands = 'none' } = options;
    this.#devices = options.logins.map((login) => new SimulatedDevice({ login, host, port, events, commands }));
    for (const device of this.#devices) this.#acknowledged.set(device.id, []);
  }

  async connect(): Promise<void> {
    for (let first = 0; first < this.#devices.length; first += CONNECTS_AT_ONCE) {
      const group = this.#devices.slice(first, first + CONNECTS_AT_ONCE);
      await Promise.all(group.map((device) => device.connect()));
      this.#connected += group.length;
    }
  }

  async run(phases: readonly LoadPhase[]): Promise<void> {
    for (const phase of phases) await this.#runPhase(phase);
  }

  /** Waits until everything sent is acknowledged, or the time is over; answers how many still are not. */
  async settle(timeoutMs: number): Promise<number> {
    const endMs = Date.now() + timeoutMs;
    while (this.unacknowledgedCount() > 0 && Date.now() < endMs) await pause(ROUND_MS * 10);
    return this.unacknowledgedCount();
  }

  unacknowledgedCount(): number {
    return this.#devices.reduce((sum, device) => sum + device.unacknowledgedCount, 0);
  }

  progress(): LoadProgress {
    return {
      sent: this.#devices.reduce((sum, device) => sum + device.sent, 0),
      acknowledged: this.#acknowledgedCount,
      skipped: this.#skipped,
      reconnects: this.#reconnects,
      connected: this.#connected,
      commands: this.#commands,
      latency: this.#latency.snapshot(),
    };
  }

  /** Per device the numbers of its acknowledged events. */
  acknowledged(): ReadonlyMap<string, readonly number[]> {
    return this.#acknowledged;
  }

  close(): void {
    this.#isClosed = true;
    for (const device of this.#devices) device.close();
  }

  async #runPhase(phase: LoadPhase): Promise<void> {
    const startMs = Date.now();
    const total = Math.round(phase.eventsPerSecond * phase.seconds);
    let done = 0;
    while (done < total && !this.#isClosed) {
      const nowMs = Date.now();
      const due = Math.min(total, Math.floor(((nowMs - startMs) / 1000) * phase.eventsPerSecond));
      if (due > done) {
        this.#sendRound(due - done, nowMs);
        done = due;
      }
      await pause(ROUND_MS);
    }
  }

  #sendRound(count: number, nowMs: number): void {
    const touched = new Set<SimulatedDevice>();
    for (let sent = 0; sent < count; sent += 1) {
      const device = this.#devices[this.#turn % this.#devices.length] as SimulatedDevice;
      this.#turn += 1;
      if (!touched.has(device)) {
        device.cork();
        touched.add(device);
      }
      if (!device.publish(nowMs)) this.#skipped += 1;
    }
    for (const device of touched) device.uncork();
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
