import { isIP } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';

/** How a process of the platform reaches Kafka. Every client of this package is made with it. */
export interface KafkaConnectionOptions {
  /** `host:port` of some of the brokers; the others are learned from them. */
  readonly brokers: readonly string[];
  /** Shows up in the broker's logs and quotas. */
  readonly clientId: string;
  /** With TLS when it is given; `{}` takes the certificates that the system trusts. */
  readonly tls?: TlsOptions;
  readonly sasl?: KafkaCredentials;
}

export interface KafkaCredentials {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

/** The options that all clients of `@platformatic/kafka` share. */
export interface KafkaClientOptions {
  readonly clientId: string;
  readonly bootstrapBrokers: string[];
  readonly tls?: TlsOptions;
  /** Whether a broker's name is said at the beginning of TLS: proxies that stand before brokers go by it. */
  readonly tlsServerName?: true;
  readonly sasl?: KafkaCredentials;
}

/** In the form that the client library takes; what is not set is left out, because it would override a default. */
export function kafkaClientOptions({ brokers, clientId, tls, sasl }: KafkaConnectionOptions): KafkaClientOptions {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    ...(tls === undefined ? {} : { tls }),
    // An address is no name: TLS does not allow for it there.
    ...(tls === undefined || brokers.some(isAddress) ? {} : { tlsServerName: true as const }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

function isAddress(broker: string): boolean {
  return broker.startsWith('[') || isIP(broker.replace(/:\d*$/, '')) !== 0;
}
