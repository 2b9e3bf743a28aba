import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import {
  type ArchivedSession,
  type LeavingSession,
  type OpenedSession,
  PlatformError,
  type SessionArchive,
  type SessionDirectory,
  type SessionEntry,
  type SessionToKeep,
} from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { valuesOf } from '../redis-script.ts';
import {
  gatewayLivesScript,
  registerGatewayScript,
  renewGatewayScript,
  unregisterGatewayScript,
} from '../scripts/gateway-scripts.ts';
import {
  closeSessionScript,
  extendSessionScript,
  openSessionScript,
  removeSessionScript,
  saveSessionScript,
  sessionHeardScript,
} from '../scripts/session-scripts.ts';

const ARCHIVED_BYTES_MAX = 16 * 1024 * 1024;
const SPACE = 0x20;

type OpenReply = [SessionEpoch, Buffer | null, Buffer | null, leaving: Buffer, last: Buffer];

/**
 * Three hashes per partition: the open sessions (`<epoch> <gateway>`), those that were taken over and still leave, and
 * every device's last session epoch; and a text per archived session (`<epoch> <bytes>`), which expires by itself.
 */
export class RedisSessionDirectory implements SessionDirectory, SessionArchive {
  readonly #redis: RedisClient;
  readonly #archivedBytesMax: number;

  constructor(redis: RedisClient, options: { readonly archivedBytesMax?: number } = {}) {
    this.#redis = redis;
    this.#archivedBytesMax = options.archivedBytesMax ?? ARCHIVED_BYTES_MAX;
  }

  async open(partition: Partition, key: DeviceKey, gatewayId: string): Promise<OpenedSession> {
    const [sessions, leavingSessions] = sessionKeys(partition);
    const keys = [sessions, ...archiveKeys(partition, key), leavingSessions];
    const reply = await openSessionScript.runForBytes(this.#redis, keys, [key, gatewayId]);
    const [sessionEpoch, displaced, archived, leaving, last] = reply as OpenReply;
    const entry = entryOf(key, displaced?.toString() ?? null);
    const left = leavingOf(leaving.toString());
    const previousEpoch = Number(last.toString());
    return { sessionEpoch, previousEpoch, displaced: entry, leaving: left, archived: archivedOf(archived) };
  }

  async save(partition: Partition, key: DeviceKey, session: SessionToKeep): Promise<'saved' | 'fenced'> {
    const { sessionEpoch, ttlMs, bytes } = session;
    if (bytes.byteLength > this.#archivedBytesMax) {
      throw new PlatformError('SESSION_TOO_LARGE', `a session of ${bytes.byteLength} bytes is not kept`);
    }
    const args = [key, sessionEpoch, Math.ceil(ttlMs), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)];
    const saved = await saveSessionScript.run(this.#redis, archiveKeys(partition, key), args);
    return saved === 1 ? 'saved' : 'fenced';
  }

  async extend(partition: Partition, key: DeviceKey, kept: Omit<SessionToKeep, 'bytes'>): Promise<boolean> {
    const args = [key, kept.sessionEpoch, Math.ceil(kept.ttlMs)];
    return (await extendSessionScript.run(this.#redis, archiveKeys(partition, key), args)) === 1;
  }

  async remove(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<void> {
    await removeSessionScript.run(this.#redis, archiveKeys(partition, key), [key, sessionEpoch]);
  }

  async leaving(partition: Partition, key: DeviceKey): Promise<readonly LeavingSession[]> {
    return leavingOf((await this.#redis.hget(redisKeys.leavingSessions(partition), key)) ?? '');
  }

  async heard(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<void> {
    await sessionHeardScript.run(this.#redis, [redisKeys.leavingSessions(partition)], [key, sessionEpoch]);
  }

  async close(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<boolean> {
    return (await closeSessionScript.run(this.#redis, sessionKeys(partition), [key, sessionEpoch])) === 1;
  }

  async find(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly (SessionEntry | null)[]> {
    if (keys.length === 0) return [];
    const found = await this.#redis.hmget(redisKeys.sessions(partition), ...keys);
    return found.map((text, index) => entryOf(keys[index]!, text));
  }

  async scan(
    partition: Partition,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly SessionEntry[]; readonly cursor: string }> {
    const [next, flat] = await this.#redis.hscan(redisKeys.sessions(partition), cursor, 'COUNT', limit);
    const entries: SessionEntry[] = [];
    for (let at = 0; at < flat.length; at += 2) entries.push(entryOf(flat[at] as DeviceKey, flat[at + 1]!)!);
    return { entries, cursor: next };
  }

  async renewGateway(gatewayId: string, ttlMs: number): Promise<boolean> {
    return (await renewGatewayScript.run(this.#redis, gatewayKeys(gatewayId), [ttlMs])) === 1;
  }

  async registerGateway(gatewayId: string, ttlMs: number): Promise<void> {
    await registerGatewayScript.run(this.#redis, [redisKeys.gateway(gatewayId)], [ttlMs]);
  }

  async unregisterGateway(gatewayId: string): Promise<void> {
    await unregisterGatewayScript.run(this.#redis, gatewayKeys(gatewayId), []);
  }

  async liveGateways(gatewayIds: readonly string[]): Promise<ReadonlySet<string>> {
    const calls = gatewayIds.map((gatewayId) => ({ keys: gatewayKeys(gatewayId), args: [] }));
    const lives = valuesOf(await gatewayLivesScript.runAll(this.#redis, calls));
    return new Set(gatewayIds.filter((_, index) => lives[index] === 1));
  }
}

export function gatewayKeys(gatewayId: string): readonly string[] {
  return [redisKeys.gateway(gatewayId), redisKeys.gatewayChannel(gatewayId), redisKeys.gatewayChannelState(gatewayId)];
}

function sessionKeys(partition: Partition): readonly [string, string] {
  return [redisKeys.sessions(partition), redisKeys.leavingSessions(partition)];
}

function archiveKeys(partition: Partition, key: DeviceKey): readonly string[] {
  return [redisKeys.sessionEpochs(partition), redisKeys.archivedSession(partition, key)];
}

function archivedOf(stored: Buffer | null): ArchivedSession | null {
  if (stored === null) return null;
  const space = stored.indexOf(SPACE);
  const sessionEpoch = Number(stored.toString('latin1', 0, space)) as SessionEpoch;
  return { sessionEpoch, bytes: stored.subarray(space + 1) };
}

function entryOf(key: DeviceKey, text: string | null): SessionEntry | null {
  if (text === null) return null;
  const space = text.indexOf(' ');
  return { key, sessionEpoch: Number(text.slice(0, space)) as SessionEpoch, gatewayId: text.slice(space + 1) };
}

function leavingOf(text: string): readonly LeavingSession[] {
  if (text === '') return [];
  return text.split(';').map((session) => {
    const [sessionEpoch, gatewayId = '', heard] = session.split(' ');
    return { sessionEpoch: Number(sessionEpoch) as SessionEpoch, gatewayId, isHeard: heard !== undefined };
  });
}
