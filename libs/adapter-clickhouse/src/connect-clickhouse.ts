import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';

export type { ClickHouseClient } from '@clickhouse/client';

export interface ClickHouseOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** How long one request may take before it counts as failed with an unknown outcome. */
  readonly requestTimeoutMs?: number;
}

const REQUEST_TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 8;

/** The client and the database that everything here works in. */
export interface ClickHouse {
  readonly client: ClickHouseClient;
  readonly database: string;
  /** Gives up requests under way, whose outcome is then unknown. */
  readonly signal?: AbortSignal;
}

/** Opens no connection yet: a ClickHouse that is away shows in the first request. */
export function connectClickHouse(options: ClickHouseOptions): ClickHouse {
  const client = createClient({
    url: options.url,
    username: options.user,
    password: options.password,
    request_timeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    max_open_connections: CONNECTIONS_MAX,
    // Loopback or a near network: the processor is dearer than the bytes.
    compression: { request: false, response: false },
    // Errors reach the caller, who logs them with what was to be done.
    log: { level: ClickHouseLogLevel.OFF },
  });
  return { client, database: options.database };
}

/** What a request takes over of the signal, if there is one. */
export function abortable({ signal }: ClickHouse): { readonly abort_signal?: AbortSignal } {
  return signal === undefined ? {} : { abort_signal: signal };
}
