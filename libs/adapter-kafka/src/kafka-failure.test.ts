import { PlatformError } from '@breakwater/twin-runtime';
import { AuthenticationError, MultipleErrors, NetworkError, ProtocolError, UserError } from '@platformatic/kafka';
import { describe, expect, it } from '@jest/globals';

import { kafkaAway, kafkaError, kafkaFailureOf } from './kafka-failure.ts';

/** As the client library gives it to whoever asked, after some attempts. */
const asTold = (cause: Error): Error =>
  new MultipleErrors('metadata failed 6 times.', [
    new MultipleErrors('Cannot connect to any broker.', [
      new NetworkError('Connection to one:9093 failed.', { cause }),
    ]),
  ]);
const nodeError = (code: string, message: string): Error => Object.assign(new Error(message), { code });
const refused = (apiId: 'SASL_AUTHENTICATION_FAILED' | 'UNSUPPORTED_SASL_MECHANISM', words: string | null): Error =>
  new AuthenticationError('SASL authentication failed.', { cause: new ProtocolError(apiId, words) });

describe('what is wrong with a connection to Kafka', () => {
  it.each([
    [refused('SASL_AUTHENTICATION_FAILED', 'invalid credentials'), 'KAFKA_CREDENTIALS_REFUSED', /invalid credentials/],
    [refused('UNSUPPORTED_SASL_MECHANISM', null), 'KAFKA_CREDENTIALS_REFUSED', /KAFKA_SASL_MECHANISM/],
    [nodeError('SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate'), 'KAFKA_TLS_FAILED', /KAFKA_TLS_CA_FILE/],
    [nodeError('ERR_TLS_CERT_ALTNAME_INVALID', 'not in the names: one'), 'KAFKA_TLS_FAILED', /not in the names: one/],
    [nodeError('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', ''), 'KAFKA_TLS_FAILED', /KAFKA_TLS_CERT_FILE/],
    [new UserError('Broker requires TLS.'), 'KAFKA_TLS_FAILED', /the port speaks TLS/],
    [new UserError('TLS handshake failed. Please verify.'), 'KAFKA_TLS_FAILED', /does not speak TLS/],
    [new AuthenticationError('No mechanism.', { cause: new NetworkError('closed') }), 'KAFKA_TLS_FAILED', /KAFKA_TLS/],
    [new ProtocolError('TOPIC_AUTHORIZATION_FAILED'), 'KAFKA_NOT_ALLOWED', /TOPIC_AUTHORIZATION_FAILED/],
    [
      nodeError('ECONNREFUSED', 'connect ECONNREFUSED ::1:9093'),
      'BACKEND_UNAVAILABLE',
      /connect ECONNREFUSED ::1:9093/,
    ],
    [
      Object.assign(nodeError('ENOTFOUND', 'getaddrinfo ENOTFOUND two'), { hostname: 'two' }),
      'BACKEND_UNAVAILABLE',
      /no host is found under the name two \(of KAFKA_BROKERS/,
    ],
  ])('finds it below what the library wraps around it: %s', (cause, code, sentence) => {
    expect(kafkaFailureOf(asTold(cause))).toEqual({ code, sentence: expect.stringMatching(sentence) });
  });

  it('has what a broker says of its refusal', () => {
    const { sentence } = kafkaFailureOf(new ProtocolError('INVALID_REPLICATION_FACTOR', 'only 1 broker is there'));
    expect(sentence).toContain('only 1 broker is there');
  });

  it('is never at a loss', () => {
    const circle = new Error('round and round');
    circle.cause = circle;
    expect(kafkaFailureOf(circle).sentence).toBe('round and round');
    expect(kafkaFailureOf(undefined).code).toBe('BACKEND_UNAVAILABLE');
    expect(kafkaFailureOf('words').sentence).toBe('words');
  });

  it('is an outage to whoever runs, and a reason not to start to whoever starts', () => {
    const cause = asTold(refused('SASL_AUTHENTICATION_FAILED', null));
    expect(kafkaError(cause, 'topics')).toMatchObject({ code: 'KAFKA_CREDENTIALS_REFUSED', retryable: false });
    const away = kafkaAway(cause, 'the group');
    expect(away).toMatchObject({ code: 'BACKEND_UNAVAILABLE', retryable: true });
    expect(away.message).toMatch(/^the group: .* \(KAFKA_CREDENTIALS_REFUSED\)$/);
    const ours = new PlatformError('LOG_CHANGED', 'another log');
    expect([kafkaError(ours, ''), kafkaAway(ours, '')]).toEqual([ours, ours]);
  });
});
