import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@breakwater/free-port';
import { Admin } from '@platformatic/kafka';

import type { BrokerNode } from '../broker/broker-properties.ts';
import { KafkaBroker } from './kafka-broker.ts';
import { findKafkaProgram } from './kafka-program.ts';

export type BrokerSettings = Readonly<Record<string, string | number>>;

export interface KafkaClusterOptions {
  /** 1 by default. With 3, a record is acknowledged when two have it. */
  readonly brokers?: 1 | 3;
  readonly heapMb?: number;
  /** Properties of every broker, over ours; or those of one, which knows its ports. */
  readonly properties?: BrokerSettings | ((node: BrokerNode) => BrokerSettings);
  /** For a broker that is measured: Java compiles as far as it can, which makes it slower to start. */
  readonly optimised?: boolean;
  /** Where their data lie, which then stay when they are stopped. By default a folder that goes with them. */
  readonly folder?: string;
  /** Hears where the first broker will listen, before it starts: for what stands between it and its clients. */
  readonly onAddress?: (address: string) => void;
}

const READY_TIMEOUT_MS = 90_000;
const READY_POLL_MS = 100;
const HEAP_MB = 256;
/** A broker that is stopped takes connections, and answers nothing. */
const ASKING = { retries: 0, connectTimeout: 2_000, requestTimeout: 3_000 };

/** Real brokers on free loopback ports, in a folder of their own. */
export class KafkaCluster {
  readonly brokers: readonly KafkaBroker[];
  /** To be removed with the brokers. */
  readonly #ownFolder: string | null;

  private constructor(ownFolder: string | null, brokers: readonly KafkaBroker[]) {
    this.#ownFolder = ownFolder;
    this.brokers = brokers;
  }

  static async start(options: KafkaClusterOptions = {}): Promise<KafkaCluster> {
    const { brokers: count = 1, heapMb = HEAP_MB, properties = {}, optimised = false } = options;
    const program = findKafkaProgram();
    if (program === undefined) throw new Error('there is no Kafka here: run `node tools/provide-kafka.mjs`');
    const ownFolder = options.folder === undefined ? await mkdtemp(join(tmpdir(), 'breakwater-kafka-')) : null;
    const folder = ownFolder ?? options.folder!;
    const ports = await Promise.all(Array.from({ length: 2 * count }, freePort));
    const nodes: BrokerNode[] = Array.from({ length: count }, (_, index) => ({
      nodeId: index + 1,
      brokerPort: ports[2 * index]!,
      controllerPort: ports[2 * index + 1]!,
    }));
    const clusterId = randomBytes(16).toString('base64url');
    const shared = { nodes, clusterId, program, heapMb, optimised };
    const propertiesOf = typeof properties === 'function' ? properties : () => properties;
    const cluster = new KafkaCluster(
      ownFolder,
      nodes.map((node) => {
        const own = { node, folder: join(folder, `node-${node.nodeId}`), properties: propertiesOf(node) };
        return new KafkaBroker({ ...shared, ...own });
      }),
    );
    options.onAddress?.(cluster.bootstrap[0]!);
    try {
      await Promise.all(cluster.brokers.map((broker) => broker.format()));
      await cluster.startAll();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** On the data that they have. Settles when all of them take part. */
  async startAll(): Promise<void> {
    for (const broker of this.brokers) broker.start();
    await this.ready();
  }

  /** SIGKILL of all at once. */
  async killAll(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.kill()));
  }

  /** `host:port` of each broker. */
  get bootstrap(): string[] {
    return this.brokers.map(({ address }) => address);
  }

  /** Settles when so many brokers, all of them by default, take part. */
  async ready(count = this.brokers.length): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const seen = await this.#brokersSeen();
      if (seen >= count) return;
      const ended = this.brokers.find((broker) => broker.hasFailed);
      if (ended !== undefined) throw new Error(`broker ${ended.nodeId} ended: ${await ended.lastWords()}`);
      if (performance.now() > deadline) throw new Error(`${seen} of ${count} brokers took part in time`);
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }

  /** The broker that leads a partition at the moment. */
  async leaderOf(topic: string, partition: number): Promise<KafkaBroker> {
    const leader = await this.#asking(async (admin) => {
      const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
      return topics.get(topic)?.partitions[partition]?.leader;
    });
    const broker = this.brokers.find(({ nodeId }) => nodeId === leader);
    if (broker === undefined) throw new Error(`partition ${partition} of ${topic} has no leader`);
    return broker;
  }

  /** Whether a broker leads any partition of a topic, as far as the others know. */
  leads({ nodeId }: KafkaBroker, topic: string): Promise<boolean> {
    return this.#asking(async (admin) => {
      const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
      return topics.get(topic)!.partitions.some(({ leader }) => leader === nodeId);
    });
  }

  /** Settles when every replica of a topic has every record of it. */
  async inSync(topic: string): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const missing = await this.#asking(async (admin) => {
        const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
        return topics.get(topic)!.partitions.filter(({ isr, replicas }) => isr.length < replicas.length).length;
      }).catch(() => undefined);
      if (missing === 0) return;
      if (performance.now() > deadline) throw new Error(`${missing} partitions of ${topic} did not come into step`);
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }

  /** Ends every broker, and removes all data that are not in a folder of the caller. */
  async stop(): Promise<void> {
    await this.killAll();
    if (this.#ownFolder !== null) await rm(this.#ownFolder, { recursive: true, force: true });
  }

  async #brokersSeen(): Promise<number> {
    try {
      return await this.#asking(
        async (admin) => (await admin.metadata({ topics: [], forceUpdate: true })).brokers.size,
      );
    } catch {
      // Not up yet.
      return 0;
    }
  }

  async #asking<Answer>(ask: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    const bootstrapBrokers = this.brokers.filter(({ isRunning }) => isRunning).map(({ address }) => address);
    const admin = new Admin({ clientId: 'cluster-under-test', bootstrapBrokers, ...ASKING });
    try {
      return await ask(admin);
    } finally {
      await admin.close();
    }
  }
}
