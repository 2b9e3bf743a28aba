import {
  type API,
  type Broker,
  type Connection,
  ConnectionPool,
  findCoordinatorV4,
  findErrorBy,
} from '@platformatic/kafka';

import { kafkaClientOptions, type KafkaConnectionOptions } from '../kafka-connection.ts';

export interface GroupCall<Args extends unknown[], Answer> {
  readonly api: API<Args, Answer>;
  readonly args: Args;
  readonly timeoutMs: number;
}

/** The way to the broker that coordinates a group. */
export interface GroupLink {
  /** Rejects when there was no answer in time, or the answer was an error. */
  call<Args extends unknown[], Answer>(call: GroupCall<Args, Answer>): Promise<Answer>;
  /** The next call looks the coordinator up anew. */
  forget(): void;
  close(): Promise<void>;
}

const GROUP_KEY = 0;
const CONNECT_TIMEOUT_MS = 3_000;
/** A time limit of ours runs for each call; the library's, which is one for all, only has to be longer. */
const REQUEST_TIMEOUT_MS = 60_000;
const PORT = 9092;

/** Kafka's names of what ends with another coordinator, or with the same one a moment later. */
const COORDINATOR_AWAY = ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS'] as const;

/** The group's connections to Kafka: apart from those that carry records, so that no heartbeat waits behind them. */
export class GroupCoordinator implements GroupLink {
  readonly #connection: KafkaConnectionOptions;
  readonly #groupId: string;
  #pool: ConnectionPool | null = null;
  #address: Broker | null = null;
  #closed = false;

  constructor(connection: KafkaConnectionOptions, groupId: string) {
    this.#connection = connection;
    this.#groupId = groupId;
  }

  async call<Args extends unknown[], Answer>({ api, args, timeoutMs }: GroupCall<Args, Answer>): Promise<Answer> {
    try {
      return await within(timeoutMs, `no answer of the group's coordinator in ${timeoutMs} ms`, async () => {
        const connection = await this.#coordinator();
        return api.async(connection, ...args);
      });
    } catch (error) {
      const code = groupErrorOf(error);
      if (code === null || COORDINATOR_AWAY.some((away) => away === code)) this.forget();
      throw error;
    }
  }

  forget(): void {
    const pool = this.#pool;
    this.#pool = null;
    this.#address = null;
    if (pool === null) return;
    // What is under way on these connections has been given up.
    for (const [, connection] of pool) connection.socket?.destroy();
    pool.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.forget();
  }

  async #coordinator(): Promise<Connection> {
    if (this.#closed) throw new Error('the group was left');
    this.#pool ??= this.#newPool();
    const pool = this.#pool;
    if (this.#address === null) {
      const first = await pool.getFirstAvailable(this.#connection.brokers.map(brokerOf));
      const { coordinators } = await findCoordinatorV4.api.async(first, GROUP_KEY, [this.#groupId]);
      const [found] = coordinators;
      if (found === undefined) throw new Error('the group has no coordinator');
      this.#address = { host: found.host, port: found.port };
    }
    return pool.get(this.#address);
  }

  #newPool(): ConnectionPool {
    const { clientId, bootstrapBrokers: _brokers, ...security } = kafkaClientOptions(this.#connection);
    const limits = { connectTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
    const pool = new ConnectionPool(clientId, { ...security, ...limits });
    // Whoever waits for an answer hears of it; without a listener the error itself would end the process.
    pool.on('connecting', ({ connection }) => connection.on('error', () => undefined));
    return pool;
  }
}

/** Kafka's name of an error that the coordinator answered with; null when it is none, so that nothing is known. */
export function groupErrorOf(error: unknown): string | null {
  const answered = findErrorBy(error as Error, 'code', 'PLT_KFK_PROTOCOL') as { readonly apiId?: unknown } | null;
  return typeof answered?.apiId === 'string' ? answered.apiId : null;
}

function brokerOf(address: string): Broker {
  const colon = address.lastIndexOf(':');
  if (colon === -1) return { host: address, port: PORT };
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

async function within<Answer>(timeoutMs: number, sentence: string, work: () => Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(sentence)), timeoutMs);
  });
  try {
    return await Promise.race([work(), expired]);
  } finally {
    clearTimeout(timer);
  }
}
