import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { addScramUser, allow, type BrokerSettings, type Grant, KafkaCluster } from '@breakwater/adapter-kafka/testing';
import { makeCa, makeCertificate } from '@breakwater/device-trust/testing';
import { freePort } from '@breakwater/free-port';

/** Settings of the platform, as environment. */
export type KafkaEnvironment = Readonly<Record<string, string>>;

export const USER = 'breakwater';
/** A connection must prove itself again so often: several times in the life of a test. */
const REAUTHENTICATE_MS = 5_000;
const HEAP_MEGABYTES = 320;
/** What docs/operations/kafka.md says that the platform's user must be allowed to do: no more. */
const GRANTS: readonly Grant[] = [
  { resource: 'TOPIC', prefix: 'breakwater.', operations: ['CREATE', 'DESCRIBE_CONFIGS', 'READ', 'WRITE'] },
  { resource: 'GROUP', prefix: 'breakwater.', operations: ['READ', 'DESCRIBE_CONFIGS'] },
];

interface Files {
  readonly folder: string;
  /** Who has signed the broker's certificate, and the platform's. */
  readonly ca: string;
  readonly strangeCa: string;
  readonly brokerStore: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

interface Ports {
  readonly plain: number;
  readonly users: number;
  readonly certificates: number;
}

/**
 * A Kafka as people run it: TLS by an authority of their own, users with passwords on one port and with certificates on
 * another, and nobody may do what is not allowed to him. It runs apart from the platform; only who made it knows of its
 * port without all that.
 */
export class GuardedKafka {
  readonly password: string;
  readonly cluster: KafkaCluster;
  readonly #files: Files;
  readonly #ports: Ports;

  private constructor(parts: { password: string; cluster: KafkaCluster; files: Files; ports: Ports }) {
    this.password = parts.password;
    this.cluster = parts.cluster;
    this.#files = parts.files;
    this.#ports = parts.ports;
  }

  static async start(properties: BrokerSettings = {}): Promise<GuardedKafka> {
    const files = await makeFiles();
    // Nothing in a log may look like it.
    const password = `secret-${randomBytes(12).toString('hex')}`;
    const [users, certificates] = [await freePort(), await freePort()];
    try {
      const cluster = await KafkaCluster.start({
        heapMb: HEAP_MEGABYTES,
        properties: ({ brokerPort: plain, controllerPort }) => ({
          ...guardedProperties({ files, password, ports: { plain, users, certificates }, controllerPort }),
          ...properties,
        }),
      });
      const plain = Number(cluster.bootstrap[0]!.split(':').at(-1));
      const kafka = new GuardedKafka({ password, cluster, files, ports: { plain, users, certificates } });
      await kafka.#admit();
      return kafka;
    } catch (error) {
      await rm(files.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** By a name, as brokers elsewhere are reached. */
  get address(): string {
    return `localhost:${this.#ports.users}`;
  }

  /** Of a listener that asks for nothing, and where everybody may do everything. */
  get plainPort(): number {
    return this.#ports.plain;
  }

  get plainAddress(): string {
    return `127.0.0.1:${this.#ports.plain}`;
  }

  /** How the platform is told to come in with a password. */
  environment(mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' = 'SCRAM-SHA-512'): KafkaEnvironment {
    return {
      ...this.#common(this.address),
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SASL_USERNAME: USER,
      KAFKA_SASL_PASSWORD: this.password,
    };
  }

  /** And how with a certificate. */
  certificateEnvironment(): KafkaEnvironment {
    return {
      ...this.#common(`localhost:${this.#ports.certificates}`),
      KAFKA_TLS_CERT_FILE: this.#files.clientCert,
      KAFKA_TLS_KEY_FILE: this.#files.clientKey,
    };
  }

  /** An authority that has signed nothing here. */
  get strangeCaFile(): string {
    return this.#files.strangeCa;
  }

  allow(user: string, grants: readonly Grant[]): Promise<void> {
    return allow(this.#ports.plain, `User:${user}`, grants);
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    await rm(this.#files.folder, { recursive: true, force: true });
  }

  #common(brokers: string): KafkaEnvironment {
    return {
      EVENT_LOG: 'kafka',
      KAFKA_BROKERS: brokers,
      KAFKA_REPLICATION_FACTOR: '1',
      KAFKA_MIN_INSYNC_REPLICAS: '1',
      KAFKA_TLS: 'on',
      KAFKA_TLS_CA_FILE: this.#files.ca,
    };
  }

  async #admit(): Promise<void> {
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      await addScramUser(this.#ports.plain, { mechanism, username: USER, password: this.password });
    }
    for (const user of [USER, `CN=${USER}`]) await this.allow(user, GRANTS);
  }
}

async function makeFiles(): Promise<Files> {
  const folder = await mkdtemp(join(tmpdir(), 'breakwater-guarded-'));
  const place = async (name: string, content: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const ca = await makeCa('CN=Kafka Test CA');
  const broker = await makeCertificate({ subject: 'CN=broker', issuer: ca, dnsNames: ['localhost'] });
  const client = await makeCertificate({ subject: `CN=${USER}`, issuer: ca });
  return {
    folder,
    ca: await place('ca.pem', ca.pem),
    strangeCa: await place('strange-ca.pem', (await makeCa('CN=Nobody')).pem),
    brokerStore: await place('broker.pem', broker.keyPem + broker.pem + ca.pem),
    clientCert: await place('client.pem', client.pem),
    clientKey: await place('client-key.pem', client.keyPem),
  };
}

interface Guarded {
  readonly files: Files;
  readonly password: string;
  readonly ports: Ports;
  readonly controllerPort: number;
}

function guardedProperties({ files, password, ports, controllerPort }: Guarded): BrokerSettings {
  const module = 'org.apache.kafka.common.security';
  const users = 'listener.name.users';
  return {
    listeners: [
      `PLAINTEXT://127.0.0.1:${ports.plain}`,
      `CONTROLLER://127.0.0.1:${controllerPort}`,
      `USERS://127.0.0.1:${ports.users}`,
      `CERTIFICATES://127.0.0.1:${ports.certificates}`,
    ].join(','),
    'advertised.listeners': [
      `PLAINTEXT://127.0.0.1:${ports.plain}`,
      `USERS://localhost:${ports.users}`,
      `CERTIFICATES://localhost:${ports.certificates}`,
    ].join(','),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_SSL,CERTIFICATES:SSL',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': files.brokerStore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': files.ca,
    'listener.name.certificates.ssl.client.auth': 'required',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    [`${users}.plain.sasl.jaas.config`]: `${module}.plain.PlainLoginModule required user_${USER}="${password}";`,
    [`${users}.scram-sha-256.sasl.jaas.config`]: `${module}.scram.ScramLoginModule required;`,
    [`${users}.scram-sha-512.sasl.jaas.config`]: `${module}.scram.ScramLoginModule required;`,
    'connections.max.reauth.ms': REAUTHENTICATE_MS,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Whoever comes over the port that asks for nothing, the broker itself among them.
    'super.users': 'User:ANONYMOUS',
  };
}
