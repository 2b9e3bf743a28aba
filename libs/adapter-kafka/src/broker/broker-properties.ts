/** One node of a cluster in KRaft's combined mode: broker and controller in one process. */
export interface BrokerNode {
  readonly nodeId: number;
  /** Both on 127.0.0.1. */
  readonly brokerPort: number;
  readonly controllerPort: number;
}

export interface BrokerPropertiesOptions extends BrokerNode {
  /** Every node of the cluster, this one among them. */
  readonly nodes: readonly BrokerNode[];
  readonly dataDir: string;
  /** How many replicas must have a record before it is acknowledged; 1 for a single broker. */
  readonly minInsyncReplicas: number;
  /** Lines that replace or follow those below. */
  readonly extra?: Readonly<Record<string, string | number>>;
}

/** Groups of a small installation; Kafka's own default of 50 partitions costs a start of seconds. */
const OFFSETS_PARTITIONS = 8;
/** The cleaner only works on the offsets of consumer groups. By default it takes 128 MiB of the heap at once. */
const CLEANER_BUFFER_BYTES = 4 * 1024 * 1024;
/** Indexes are laid out at this size per segment; 10 MiB by default, which makes small topics large files. */
const INDEX_BYTES_MAX = 1024 * 1024;

/**
 * The `server.properties` of a broker on loopback. The voters are named in the file and not noted in the metadata log:
 * so the ports may be others at each start on the same data.
 */
export function brokerProperties(options: BrokerPropertiesOptions): string {
  const { nodeId, brokerPort, controllerPort, nodes, dataDir, minInsyncReplicas } = options;
  const replicas = nodes.length;
  const properties: Record<string, string | number> = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': nodes.map((node) => `${node.nodeId}@127.0.0.1:${node.controllerPort}`).join(','),
    listeners: `PLAINTEXT://127.0.0.1:${brokerPort},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${brokerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': dataDir,
    // A topic that comes into being by a typing mistake has the wrong number of partitions, and that is data.
    'auto.create.topics.enable': 'false',
    'unclean.leader.election.enable': 'false',
    'default.replication.factor': replicas,
    'min.insync.replicas': minInsyncReplicas,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': OFFSETS_PARTITIONS,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minInsyncReplicas,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': minInsyncReplicas,
    'group.initial.rebalance.delay.ms': 0,
    'log.cleaner.dedupe.buffer.size': CLEANER_BUFFER_BYTES,
    'log.index.size.max.bytes': INDEX_BYTES_MAX,
    ...options.extra,
  };
  return `${Object.entries(properties)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`;
}
