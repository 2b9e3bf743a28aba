import { readFileSync } from 'node:fs';
import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls';

import type { KafkaConnectionOptions, KafkaCredentials } from '@breakwater/adapter-kafka';
import type { kafkaSettings, SettingsOf } from '@breakwater/config';
import { PlatformError } from '@breakwater/twin-runtime';

const HOST_AND_PORT = /^(?:\[[\da-f:]+\]|[^:\s[\]]+):\d{1,5}$/i;

type KafkaSettings = SettingsOf<typeof kafkaSettings>;

/**
 * How the settings say that Kafka is reached.
 * @throws PlatformError `SETTING_INVALID`
 */
export function kafkaConnectionOf(settings: KafkaSettings, clientId: string): KafkaConnectionOptions {
  const brokers = settings.kafkaBrokers.split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()]));
  if (brokers.length === 0) {
    throw invalid('EVENT_LOG=kafka needs KAFKA_BROKERS, such as kafka-1:9092,kafka-2:9092');
  }
  const unusable = brokers.find((each) => !HOST_AND_PORT.test(each));
  if (unusable !== undefined) throw invalid(`KAFKA_BROKERS has "${unusable}", and each must be host:port`);
  const tls = tlsOf(settings);
  const sasl = saslOf(settings);
  return { brokers, clientId, ...(tls === null ? {} : { tls }), ...(sasl === null ? {} : { sasl }) };
}

function tlsOf({ kafkaTls, kafkaCaFile, kafkaCertFile, kafkaKeyFile }: KafkaSettings): TlsOptions | null {
  const files = Object.entries({
    KAFKA_TLS_CA_FILE: kafkaCaFile,
    KAFKA_TLS_CERT_FILE: kafkaCertFile,
    KAFKA_TLS_KEY_FILE: kafkaKeyFile,
  }).filter(([, path]) => path !== '');
  if (kafkaTls === 'off') {
    // Whoever names one means TLS, and would not want to learn from a packet dump that there was none.
    if (files.length > 0) throw invalid(`${files[0]![0]} is set, and KAFKA_TLS is off`);
    return null;
  }
  if ((kafkaCertFile === '') !== (kafkaKeyFile === '')) {
    throw invalid('KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE belong together: one of them is missing');
  }
  const tls: TlsOptions = {
    ...(kafkaCaFile === '' ? {} : { ca: readPem('KAFKA_TLS_CA_FILE', kafkaCaFile) }),
    ...(kafkaCertFile === '' ? {} : { cert: readPem('KAFKA_TLS_CERT_FILE', kafkaCertFile) }),
    ...(kafkaKeyFile === '' ? {} : { key: readPem('KAFKA_TLS_KEY_FILE', kafkaKeyFile) }),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    const names = files.map(([name]) => name).join(', ');
    throw invalid(`${names} cannot be used: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  return tls;
}

function saslOf(settings: KafkaSettings): KafkaCredentials | null {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = settings;
  if (mechanism === 'none') return null;
  if (username === '' || password === '') {
    throw invalid(`KAFKA_SASL_MECHANISM=${mechanism} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`);
  }
  return { mechanism, username, password };
}

function readPem(setting: string, path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`${setting} (${path}) cannot be read`, error);
  }
  // Node takes authorities that are none without a word, and then trusts nobody.
  if (!pem.includes('-----BEGIN ')) throw invalid(`${setting} (${path}) is not in PEM`);
  return pem;
}

function invalid(message: string, cause?: unknown): PlatformError {
  return new PlatformError('SETTING_INVALID', message, { cause });
}
