import type { DeviceKey, Partition } from '@breakwater/twin';
import type { Lane } from '@breakwater/twin-runtime';

/**
 * Every key of the installation. What one script touches shares a hash tag (the part in braces), so that on a Redis
 * Cluster it lies on one node: all keys of a partition, all of a gateway, all of the device registry.
 */
export const redisKeys = {
  installation: 'bw:installation',
  logId: 'bw:log:id',
  logOrigins: 'bw:log:origins',
  members: 'bw:members',
  writerLease: 'bw:writer:lease',
  writerMembers: (ranges: number) => `bw:writer:${ranges}:members`,
  writerRange: (ranges: number, range: number) => `bw:writer:${ranges}:lease:${range}`,
  operationsChannel: 'bw:operations',
  commandHintsChannel: 'bw:command-hints',
  telemetryHintsChannel: 'bw:telemetry-hints',

  bans: 'bw:{bans}:list',
  banEnds: 'bw:{bans}:ends',
  bansVersion: 'bw:{bans}:version',

  refusals: 'bw:{refusals}:counts',
  refusalFlusher: (flusherId: string) => `bw:{refusals}:flusher:${flusherId}`,

  lane: (lane: Lane, partition: Partition) => `bw:{${partition}}:log:${lane}`,
  frames: (lane: Lane, partition: Partition) => `bw:{${partition}}:log:${lane}:frames`,
  producer: (lane: Lane, partition: Partition, producerId: string) =>
    `bw:{${partition}}:log:${lane}:producer:${producerId}`,

  shard: (partition: Partition) => `bw:{${partition}}:shard`,
  /** Of all twins of the partition: what is written with every change, and what is not. */
  twins: (partition: Partition) => `bw:{${partition}}:twins`,
  twinDocuments: (partition: Partition) => `bw:{${partition}}:twins:documents`,
  /** Twins that were written since the round of snapshots before the present one, those of the present one, and it. */
  twinsChanged: (partition: Partition) => `bw:{${partition}}:twins:changed`,
  twinsInRound: (partition: Partition) => `bw:{${partition}}:twins:in-round`,
  snapshotRound: (partition: Partition) => `bw:{${partition}}:twins:round`,
  /** Where format 1 had a twin. */
  twinOfFormat1: (partition: Partition, key: DeviceKey) => `bw:{${partition}}:twin:${key}`,
  outbox: (partition: Partition) => `bw:{${partition}}:outbox`,
  outboxOrder: (partition: Partition) => `bw:{${partition}}:outbox:order`,
  timers: (partition: Partition) => `bw:{${partition}}:timers`,
  timerGenerations: (partition: Partition) => `bw:{${partition}}:timers:generations`,
  lease: (partition: Partition) => `bw:{${partition}}:lease`,

  sessions: (partition: Partition) => `bw:{${partition}}:sessions`,
  sessionEpochs: (partition: Partition) => `bw:{${partition}}:session-epochs`,
  /** Taken over from another gateway, and not closed there since. */
  leavingSessions: (partition: Partition) => `bw:{${partition}}:sessions:leaving`,
  archivedSession: (partition: Partition, key: DeviceKey) => `bw:{${partition}}:session:${key}`,
  gateway: (gatewayId: string) => `bw:{gateway:${gatewayId}}:lease`,
  gatewayChannel: (gatewayId: string) => `bw:{gateway:${gatewayId}}:down`,
  gatewayChannelState: (gatewayId: string) => `bw:{gateway:${gatewayId}}:down:state`,

  changes: (partition: Partition) => `bw:{${partition}}:changes`,
  changesState: (partition: Partition) => `bw:{${partition}}:changes:state`,

  commandSignals: (partition: Partition) => `bw:{${partition}}:command-signals`,
  commandSignalsOrder: (partition: Partition) => `bw:{${partition}}:command-signals:order`,
  command: (tenant: string, commandId: string) => `bw:command:${tenant}:${commandId}`,

  tenants: 'bw:{registry}:tenants',
  apiKeys: 'bw:{registry}:api-keys',
  deviceTokens: 'bw:{registry}:tokens',
  devices: (tenant: string) => `bw:{registry}:devices:${tenant}`,
  /** How many children each gateway device has. */
  deviceChildren: (tenant: string) => `bw:{registry}:devices:${tenant}:children`,
  deviceOrder: (tenant: string) => `bw:{registry}:devices:${tenant}:order`,
  trust: (tenant: string) => `bw:{registry}:trust:of:${tenant}`,
  trustOrder: 'bw:{registry}:trust:order',
  trustVersion: 'bw:{registry}:trust:version',
  trustCaKeys: 'bw:{registry}:trust:ca-keys',
  incarnations: (tenant: string) => `bw:{registry}:devices:${tenant}:incarnations`,
} as const;
