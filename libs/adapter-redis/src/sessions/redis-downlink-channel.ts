import type { DownlinkChannel, GatewayNotice } from '@breakwater/twin-runtime';

import { blockingConnection } from '../connect-redis.ts';
import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { noticesReceivedScript, sendNoticesScript } from '../scripts/gateway-scripts.ts';
import { gatewayKeys } from './redis-session-directory.ts';

export interface RedisDownlinkChannelOptions {
  readonly redis: RedisClient;
  /** Notices that may wait for one gateway. */
  readonly noticesMax: number;
  /** Their bytes. */
  readonly bytesMax: number;
}

type Entry = readonly [id: string, fields: readonly string[]];

const RECEIVE_WAIT_MS_MAX = 10_000;
const NOTICES_PER_RECEIVE_MAX = 256;
/** A gateway that reads nothing for so long is gone, and its channel with it. */
const IDLE_CHANNEL_LIFE_MS = 3_600_000;

/**
 * One stream per gateway. Notices leave it when the gateway has them, not when Redis has sent them: a reply that is
 * lost on the way is read again.
 */
export class RedisDownlinkChannel implements DownlinkChannel {
  readonly #options: RedisDownlinkChannelOptions;
  #receiving: RedisClient | null = null;
  #received = { gatewayId: '', id: '0-0' };

  constructor(options: RedisDownlinkChannelOptions) {
    this.#options = options;
  }

  async send(gatewayId: string, notices: readonly GatewayNotice[]): Promise<readonly boolean[]> {
    if (notices.length === 0) return [];
    const { redis, noticesMax, bytesMax } = this.#options;
    const texts = notices.map((notice) => JSON.stringify(notice));
    const args = [noticesMax, bytesMax, IDLE_CHANNEL_LIFE_MS, ...texts];
    const taken = (await sendNoticesScript.run(redis, gatewayKeys(gatewayId), args)) as number[];
    return taken.map((each) => each === 1);
  }

  /** One caller at a time. */
  async receive(gatewayId: string, waitMs: number): Promise<readonly GatewayNotice[]> {
    const { redis } = this.#options;
    this.#receiving ??= blockingConnection(redis, RECEIVE_WAIT_MS_MAX);
    if (this.#received.gatewayId !== gatewayId) this.#received = { gatewayId, id: '0-0' };
    const reply = (await this.#receiving.call('XREAD', [
      'COUNT',
      NOTICES_PER_RECEIVE_MAX,
      // BLOCK 0 would wait for ever.
      ...(waitMs > 0 ? ['BLOCK', Math.ceil(Math.min(waitMs, RECEIVE_WAIT_MS_MAX))] : []),
      'STREAMS',
      redisKeys.gatewayChannel(gatewayId),
      this.#received.id,
    ])) as readonly [key: string, entries: readonly Entry[]][] | null;
    const entries = reply?.[0]?.[1] ?? [];
    const last = entries.at(-1);
    if (last === undefined) return [];
    this.#received = { gatewayId, id: last[0] };
    await this.#makeRoom(gatewayId, last);
    return entries.map(([, fields]) => JSON.parse(fields[1]!) as GatewayNotice);
  }

  /** Ends the receiving connection; the connection that it was given stays open. */
  close(): void {
    this.#receiving?.disconnect();
  }

  async #makeRoom(gatewayId: string, [id, fields]: Entry): Promise<void> {
    const keys = [redisKeys.gatewayChannel(gatewayId), redisKeys.gatewayChannelState(gatewayId)];
    try {
      await noticesReceivedScript.run(this.#options.redis, keys, [Number.parseInt(id, 10), fields[3]!]);
    } catch {
      // The notices are here and must not be lost for this. The next call says again how far we are.
    }
  }
}
