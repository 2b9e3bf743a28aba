import { integer, names } from '../define-settings.ts';

/** Settings of what stands in front of MQTT: TLS and the headers of proxies. */
export const transportSettings = {
  handshakeTimeoutMs: integer('GATEWAY_HANDSHAKE_TIMEOUT_MS', {
    default: 10_000,
    min: 100,
    max: 600_000,
    unit: 'ms',
    reason: 'How long PROXY header and TLS handshake of a new connection may take together.',
  }),
  handshakesMax: integer('GATEWAY_HANDSHAKES_MAX', {
    default: 1_000,
    min: 1,
    max: 1_000_000,
    unit: 'connections per listener',
    reason:
      'Handshakes that are under way at once. Those beyond are closed unanswered, so that a storm of reconnects does not make every handshake miss its time limit.',
  }),
  tlsReloadMs: integer('GATEWAY_TLS_RELOAD_MS', {
    default: 2_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    reason: 'How often the certificate files are looked at. Open connections stay when they change.',
  }),
  proxyProtocol: names('GATEWAY_PROXY_PROTOCOL', {
    values: ['mqtt', 'mqtts', 'ws', 'wss'],
    reason:
      'Listeners whose connections come through a proxy that sends a PROXY header, version 2. There a connection without one is closed, so that nobody can claim an address. None by default.',
  }),
} as const;
