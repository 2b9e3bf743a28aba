import { type Broker, type Connection, ConnectionPool, type Reader, type Writer } from '@platformatic/kafka';

import { kafkaClientOptions, type KafkaConnectionOptions } from '../kafka-connection.ts';

export interface BrokerRequest<Answer> {
  readonly apiKey: number;
  /** Flexible versions only: those with tagged fields in both headers. */
  readonly apiVersion: number;
  readonly payload: Writer;
  readonly parse: (reader: Reader) => Answer;
}

export interface BrokerConnectionsOptions extends KafkaConnectionOptions {
  readonly connectTimeoutMs: number;
  /** After this without an answer the connection is closed, and everything under way on it fails. */
  readonly requestTimeoutMs: number;
  readonly requestsInFlightMax: number;
}

/**
 * One connection per broker, on which requests are answered in order. The library's transport with TLS and SASL is
 * used, and not its producer and consumer: when the producer loses track of its sequence numbers it takes a new
 * producer id and sends the same records again, which is how a record comes to be in the log twice.
 */
export class BrokerConnections {
  readonly #pool: ConnectionPool;

  constructor(options: BrokerConnectionsOptions) {
    const { clientId, bootstrapBrokers: _bootstrap, ...security } = kafkaClientOptions(options);
    this.#pool = new ConnectionPool(clientId, {
      ...security,
      connectTimeout: options.connectTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      maxInflights: options.requestsInFlightMax,
    });
    // Whoever waits for an answer hears of it; without a listener the error itself would end the process.
    this.#pool.on('connecting', ({ connection }) => connection.on('error', () => undefined));
  }

  async ask<Answer>(broker: Broker, request: BrokerRequest<Answer>): Promise<Answer> {
    const connection = await this.#pool.get(broker);
    return new Promise<Answer>((resolve, reject) => {
      connection.send<Answer>(
        request.apiKey,
        request.apiVersion,
        () => request.payload,
        (_correlationId, _apiKey, _apiVersion, reader) => request.parse(reader),
        true,
        true,
        (error, answer) => (error === null ? resolve(answer as Answer) : reject(error)),
      );
    });
  }

  /** What is under way on it fails at once instead of at its timeout. */
  cut(broker: Broker): void {
    const connection: Connection | undefined = this.#pool.getEstablishedConnection(broker);
    connection?.socket.destroy();
  }

  close(): void {
    for (const [, connection] of this.#pool) connection.socket?.destroy();
    void this.#pool.close().catch(() => undefined);
  }
}
