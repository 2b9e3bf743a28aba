import { fileURLToPath } from 'node:url';

import { kafkaSettings, readSettings } from '@breakwater/config';
import { describe, expect, it } from '@jest/globals';

import { kafkaConnectionOf } from './kafka-connection-of.ts';

const of = (env: Readonly<Record<string, string>>) => kafkaConnectionOf(readSettings(kafkaSettings, env), 'gateway');

describe('the connection that the settings say', () => {
  it('names brokers, and leaves security out where it is off', () => {
    expect(of({ KAFKA_BROKERS: 'one:9092, two:9093,' })).toEqual({
      brokers: ['one:9092', 'two:9093'],
      clientId: 'gateway',
    });
    expect(of({ KAFKA_BROKERS: 'one:9092', KAFKA_TLS: 'on' })).toMatchObject({ tls: {} });
  });

  it('refuses what cannot work, by the name of the setting', () => {
    const brokers = { KAFKA_BROKERS: 'one:9092' };
    expect(() => of({})).toThrow('KAFKA_BROKERS');
    for (const each of ['one', 'one:', 'http://one:9092', 'one:9092;two:9092']) {
      expect(() => of({ KAFKA_BROKERS: `two:9092,${each}` })).toThrow('must be host:port');
    }
    expect(of({ KAFKA_BROKERS: '[::1]:9092' }).brokers).toEqual(['[::1]:9092']);
    expect(() => of({ ...brokers, KAFKA_SASL_MECHANISM: 'PLAIN' })).toThrow('KAFKA_SASL_USERNAME');
    expect(() => of({ ...brokers, KAFKA_TLS: 'on', KAFKA_TLS_CA_FILE: '/nowhere/ca.pem' })).toThrow(
      'KAFKA_TLS_CA_FILE',
    );
    expect(() => of({ ...brokers, KAFKA_TLS_CA_FILE: '/nowhere/ca.pem' })).toThrow('KAFKA_TLS is off');
    expect(() => of({ ...brokers, KAFKA_TLS: 'on', KAFKA_TLS_CERT_FILE: '/nowhere/cert.pem' })).toThrow(
      'KAFKA_TLS_KEY_FILE',
    );
    expect(() => of({ ...brokers, KAFKA_TLS: 'on', KAFKA_TLS_CA_FILE: fileURLToPath(import.meta.url) })).toThrow(
      'not in PEM',
    );
  });

  it('takes a user and a password', () => {
    const sasl = { KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', KAFKA_SASL_USERNAME: 'us', KAFKA_SASL_PASSWORD: 'secret' };
    expect(of({ KAFKA_BROKERS: 'one:9092', ...sasl }).sasl).toEqual({
      mechanism: 'SCRAM-SHA-512',
      username: 'us',
      password: 'secret',
    });
  });
});
