import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import { BrokerConnections } from './broker-connections.ts';
import { REQUESTS_IN_FLIGHT_MAX } from './broker-sender.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** Longer than Kafka needs to depose a leader that hangs, after which the same request goes to the next one. */
const REQUEST_TIMEOUT_MS = 20_000;

/** Connections for requests of the log and of the feed. */
export function connectionsOf(connection: KafkaConnectionOptions): BrokerConnections {
  return new BrokerConnections({
    ...connection,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    requestsInFlightMax: REQUESTS_IN_FLIGHT_MAX,
  });
}
