import type { Clock, DownlinkChannel, GatewayNotice } from '@breakwater/twin-runtime';

import { ArrivalSignal } from './arrival-signal.ts';

const NOTICES_MAX = 10_000;

/** The downlink channel in memory. */
export class MemoryDownlinkChannel implements DownlinkChannel {
  readonly #noticesMax: number;
  readonly #arrivals: ArrivalSignal;
  readonly #channels = new Map<string, GatewayNotice[]>();

  constructor(clock: Clock, options: { readonly noticesMax?: number } = {}) {
    this.#noticesMax = options.noticesMax ?? NOTICES_MAX;
    this.#arrivals = new ArrivalSignal(clock);
  }

  async send(gatewayId: string, notices: readonly GatewayNotice[]): Promise<readonly boolean[]> {
    const channel = this.#channels.get(gatewayId) ?? [];
    this.#channels.set(gatewayId, channel);
    const taken = notices.map((notice) => channel.length < this.#noticesMax && channel.push(notice) > 0);
    this.#arrivals.arrived();
    return taken;
  }

  async receive(gatewayId: string, waitMs: number): Promise<readonly GatewayNotice[]> {
    if (!this.#channels.has(gatewayId) && waitMs > 0) await this.#arrivals.wait(waitMs);
    const notices = this.#channels.get(gatewayId) ?? [];
    this.#channels.delete(gatewayId);
    return notices;
  }
}
