import type { DeliveryOutcome, EndpointObserver } from '@breakwater/mqtt-endpoint';
import type { Logger } from '@breakwater/observability';

import type { GatewayMetrics } from './gateway-metrics.ts';
import type { RefusalTally } from './protection/refusal-tally.ts';

const UNKNOWN_TENANT = '(unknown)';
/** From here on a reason code of MQTT is a refusal. */
const REFUSED = 0x80;

/** Counts what the engine tells of connections, sessions, messages. Labels have few values, whatever devices send. */
export function endpointObserver(to: {
  readonly metrics: GatewayMetrics;
  readonly refusals: RefusalTally;
  readonly logger: Logger;
}): EndpointObserver {
  const { metrics, refusals, logger } = to;
  return {
    connected: () => metrics.connects.inc({ result: 'accepted' }),
    connectRefused: (code) => {
      metrics.connects.inc({ result: codeLabel(code) });
      // Whose device it is cannot be said of one that was not let in.
      refusals.count(UNKNOWN_TENANT, `connect.${codeLabel(code)}`);
    },
    connectionEnded: (reason, code) => metrics.closes.inc({ reason, code: codeLabel(code) }),
    subscribeRefused: (code) => metrics.subscribesRefused.inc({ code: codeLabel(code) }),
    readingStopped: (cause) => metrics.readingStopped.inc({ cause }),
    publishHeld: (_qos, cause) => metrics.held.inc({ cause: cause === 'own' ? 'device' : 'tenant' }),
    sessionResumed: () => metrics.sessionsResumed.inc(),
    sessionEnded: (cause) => metrics.sessionsEnded.inc({ cause }),
    sent: (qos, outcome) => metrics.sends.inc({ qos: String(qos), outcome: sendOutcome(outcome) }),
    hostFailed: (operation, error) => logger.warn({ operation, err: error }, 'a connection was closed by a failure'),
  };
}

/** The codes of MQTT 5, which are few. */
function codeLabel(code: number | null): string {
  return code === null ? 'none' : `0x${code.toString(16).padStart(2, '0')}`;
}

/** The reason code is the device's choice, so it is no label. */
function sendOutcome(outcome: DeliveryOutcome): string {
  if (outcome.kind === 'notDelivered') return outcome.reason;
  return outcome.reasonCode < REFUSED ? 'delivered' : 'refused';
}
