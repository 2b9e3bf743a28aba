import { LatencyHistogram } from '../latency-histogram.ts';
import type { PlatformClient } from '../platform-client.ts';
import { type DeviceLogin, SimulatedDevice } from '../simulated-device.ts';

const PROBE_EVERY_MS = 100;
const POLL_MS = 4;
const GIVE_UP_MS = 30_000;

/** A device that sends one event after the other, each as soon as the twin is seen to hold the one before. */
export class TwinProbe {
  readonly #client: PlatformClient;
  readonly #device: SimulatedDevice;
  #sent = 0;

  constructor(options: { readonly client: PlatformClient; readonly login: DeviceLogin; readonly port: number }) {
    this.#client = options.client;
    const events = { acknowledged: () => undefined, reconnecting: () => undefined };
    this.#device = new SimulatedDevice({ login: options.login, host: '127.0.0.1', port: options.port, events });
  }

  async connect(): Promise<void> {
    await this.#device.connect();
  }

  close(): void {
    this.#device.close();
  }

  /** From the event to a reader of the twin, for so long. */
  async measure(durationMs: number): Promise<LatencyHistogram> {
    const latency = new LatencyHistogram();
    const endMs = performance.now() + durationMs;
    while (performance.now() < endMs) {
      const startMs = performance.now();
      this.#device.publish(Date.now());
      this.#sent += 1;
      await this.#isSeen(startMs + GIVE_UP_MS);
      const tookMs = performance.now() - startMs;
      latency.record(tookMs);
      await pause(Math.max(0, PROBE_EVERY_MS - tookMs));
    }
    return latency;
  }

  async #isSeen(deadlineMs: number): Promise<void> {
    while (performance.now() < deadlineMs) {
      const twin = (await this.#client.twin(this.#device.id)) as { telemetry: { seq?: { value?: number } } };
      if ((twin.telemetry.seq?.value ?? 0) >= this.#sent) return;
      await pause(POLL_MS);
    }
    throw new Error(`the twin of the probe did not show event ${this.#sent} within ${GIVE_UP_MS} ms`);
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
