import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';

import type { KafkaConnectionOptions, KafkaCredentials } from '@breakwater/adapter-kafka';
import type { kafkaSettings, SettingsOf } from '@breakwater/config';
import { PlatformError } from '@breakwater/twin-runtime';

type KafkaSettings = SettingsOf<typeof kafkaSettings>;

/**
 * How the settings say that Kafka is reached.
 * @throws PlatformError `SETTING_INVALID`
 */
export function kafkaConnectionOf(settings: KafkaSettings, clientId: string): KafkaConnectionOptions {
  const brokers = settings.kafkaBrokers.split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()]));
  if (brokers.length === 0) {
    throw new PlatformError(
      'SETTING_INVALID',
      'EVENT_LOG=kafka needs KAFKA_BROKERS, such as kafka-1:9092,kafka-2:9092',
    );
  }
  const tls = tlsOf(settings);
  const sasl = saslOf(settings);
  return { brokers, clientId, ...(tls === null ? {} : { tls }), ...(sasl === null ? {} : { sasl }) };
}

function tlsOf({ kafkaTls, kafkaCaFile, kafkaCertFile, kafkaKeyFile }: KafkaSettings): TlsOptions | null {
  if (kafkaTls === 'off') return null;
  return {
    ...(kafkaCaFile === '' ? {} : { ca: readPem('KAFKA_TLS_CA_FILE', kafkaCaFile) }),
    ...(kafkaCertFile === '' ? {} : { cert: readPem('KAFKA_TLS_CERT_FILE', kafkaCertFile) }),
    ...(kafkaKeyFile === '' ? {} : { key: readPem('KAFKA_TLS_KEY_FILE', kafkaKeyFile) }),
  };
}

function saslOf(settings: KafkaSettings): KafkaCredentials | null {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = settings;
  if (mechanism === 'none') return null;
  if (username === '' || password === '') {
    const message = `KAFKA_SASL_MECHANISM=${mechanism} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`;
    throw new PlatformError('SETTING_INVALID', message);
  }
  return { mechanism, username, password };
}

function readPem(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PlatformError('SETTING_INVALID', `${setting} (${path}) cannot be read`, { cause: error });
  }
}
