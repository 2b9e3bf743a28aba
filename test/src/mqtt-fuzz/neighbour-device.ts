import type { LatencyHistogram } from '@breakwater/bench';
import { connectAsync, type MqttClient } from 'mqtt';

import { pause } from '../platform-steps.ts';

const TOPIC = 'v1/devices/me/telemetry';
const INTERVAL_MS = 10;
const LATE_MS = 60_000;

/** A device that does all by the book: a small message every 10 ms, at most one of them without its PUBACK. */
export class NeighbourDevice {
  lastAcknowledged = 0;
  disconnects = 0;
  readonly #client: MqttClient;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('close', () => (this.disconnects += 1));
  }

  static async connect(options: { readonly port: number; readonly token: string }): Promise<NeighbourDevice> {
    const { port, token } = options;
    const login = { username: token, protocolVersion: 4, reconnectPeriod: 0 } as const;
    return new NeighbourDevice(await connectAsync(`mqtt://127.0.0.1:${port}`, login, false));
  }

  async publishFor(durationMs: number, latencies: LatencyHistogram): Promise<void> {
    const endMs = performance.now() + durationMs;
    await this.publishUntil(() => performance.now() > endMs, latencies);
  }

  async publishUntil(isOver: () => boolean | Promise<boolean>, latencies: LatencyHistogram): Promise<void> {
    while (!(await isOver())) {
      const seq = this.lastAcknowledged + 1;
      const startedAt = performance.now();
      await this.#acknowledged(seq);
      latencies.record(performance.now() - startedAt);
      this.lastAcknowledged = seq;
      await pause(INTERVAL_MS);
    }
  }

  async #acknowledged(seq: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no PUBACK within ${LATE_MS} ms`)), LATE_MS);
    });
    try {
      await Promise.race([this.#client.publishAsync(TOPIC, JSON.stringify({ seq }), { qos: 1 }), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#client.end(true);
  }
}
