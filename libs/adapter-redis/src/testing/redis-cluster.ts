import { setTimeout as delay } from 'node:timers/promises';

import { freePort } from '@breakwater/free-port';
import { assert } from '@breakwater/twin';

import { connectRedis } from '../connect-redis.ts';
import type { RedisClient } from '../redis-client.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { startRedisServer, type RedisServerForTest } from './redis-server.ts';

export interface ClusterNodeForTest {
  readonly server: RedisServerForTest;
  readonly port: number;
  readonly busPort: number;
  readonly id: string;
  /** What clients are told to connect to, when the cluster was asked for it; the port is the proxy's. */
  readonly proxy: CuttingProxy | null;
  /** To this node alone; not redirected. */
  readonly admin: RedisClient;
  /** Whose copy it was made to be; null of a master. */
  readonly replicaOf: ClusterNodeForTest | null;
}

export interface RedisClusterForTest {
  /** For `connectRedis`: two of the nodes, from which it finds the others. */
  readonly url: string;
  readonly masters: readonly ClusterNodeForTest[];
  readonly replicas: readonly ClusterNodeForTest[];
  /** Who has the slot of a key, as the first living node sees it. */
  ownerOf(key: string): Promise<ClusterNodeForTest>;
  /** Hands the slot of a key over, key by key, as `redis-cli --cluster reshard` does. */
  moveSlotOf(key: string, to: ClusterNodeForTest): Promise<void>;
  /** Empties every master. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
/** For clients, for the bus, and for a proxy. */
const PORTS_EACH = 3;
/** Short, so that a test sees a failure declared and a replica promoted within seconds. */
const NODE_TIMEOUT_MS = 1_000;
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 25;
const KEYS_PER_STEP = 8;
const MIGRATE_TIMEOUT_MS = 5_000;

/** Real redis-servers on free loopback ports, joined to a cluster, with the slots in equal ranges. */
export async function startRedisCluster(
  options: { readonly masters?: number; readonly replicasEach?: number; readonly proxied?: boolean } = {},
): Promise<RedisClusterForTest> {
  const { masters: masterCount = 3, replicasEach = 0, proxied = false } = options;
  const portCount = PORTS_EACH * masterCount * (1 + replicasEach);
  const ports = await Promise.all(Array.from({ length: portCount }, freePort));
  const nodes: ClusterNodeForTest[] = [];
  const stop = async (): Promise<void> => {
    for (const { admin } of nodes) admin.disconnect();
    await Promise.all(nodes.map(({ server }) => server.stop()));
    for (const { proxy } of nodes) await proxy?.stop();
  };
  try {
    const masters = await Promise.all(
      Array.from({ length: masterCount }, () => startNode(ports, { replicaOf: null, proxied })),
    );
    nodes.push(...masters);
    const replicas = await Promise.all(
      masters.flatMap((master) =>
        Array.from({ length: replicasEach }, () => startNode(ports, { replicaOf: master, proxied })),
      ),
    );
    nodes.push(...replicas);
    await join(masters, replicas);
    const cluster = { masters, replicas, url: urlOf(masters) };
    return {
      ...cluster,
      stop,
      ownerOf: (key) => ownerOf(nodes, key),
      moveSlotOf: async (key, to) =>
        moveSlot(masters, await slotOf(masters[0]!, key), { from: await ownerOf(nodes, key), to }),
      clear: async () => {
        await Promise.all(masters.map(({ admin }) => admin.flushall()));
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function urlOf(nodes: readonly ClusterNodeForTest[]): string {
  return `redis+cluster://${nodes
    .slice(0, 2)
    .map(({ port }) => `127.0.0.1:${port}`)
    .join(',')}`;
}

async function startNode(
  ports: number[],
  { replicaOf, proxied }: { readonly replicaOf: ClusterNodeForTest | null; readonly proxied: boolean },
): Promise<ClusterNodeForTest> {
  const [ownPort, busPort, proxyPort] = ports.splice(0, PORTS_EACH) as [number, number, number];
  const port = proxied ? proxyPort : ownPort;
  const proxy = proxied ? await CuttingProxy.start(proxyPort, ownPort) : null;
  const server = await startRedisServer({
    extra: [
      ...['--port', String(ownPort), '--bind', '127.0.0.1', '--cluster-enabled', 'yes'],
      ...['--cluster-port', String(busPort), '--cluster-announce-port', String(port)],
      ...['--cluster-node-timeout', String(NODE_TIMEOUT_MS)],
      // What lies on a node that is away is away; the rest goes on.
      ...['--cluster-require-full-coverage', 'no'],
      // A replica that was cut off for a moment takes over all the same.
      ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0'],
    ],
  });
  const admin = await connectRedis(server.url);
  const id = (await admin.call('cluster', 'myid')) as string;
  return { server, port, busPort, id, proxy, admin, replicaOf };
}

async function join(masters: readonly ClusterNodeForTest[], replicas: readonly ClusterNodeForTest[]): Promise<void> {
  const nodes = [...masters, ...replicas];
  await Promise.all(nodes.map(({ admin }, at) => admin.call('cluster', 'set-config-epoch', at + 1)));
  for (const [at, { admin }] of masters.entries()) {
    const first = Math.floor((SLOTS * at) / masters.length);
    const last = Math.floor((SLOTS * (at + 1)) / masters.length) - 1;
    await admin.call('cluster', 'addslotsrange', first, last);
  }
  const [first, ...others] = nodes;
  for (const { port, busPort } of others) await first!.admin.call('cluster', 'meet', '127.0.0.1', port, busPort);
  await until(async () => (await Promise.all(nodes.map((node) => knownTo(node)))).every((n) => n === nodes.length));
  for (const { admin, replicaOf } of replicas) await admin.call('cluster', 'replicate', replicaOf!.id);
  await until(async () => {
    const infos = await Promise.all(nodes.map(({ admin }) => admin.call('cluster', 'info') as Promise<string>));
    return infos.every((info) => info.includes('cluster_state:ok'));
  });
  await until(async () => {
    const infos = await Promise.all(replicas.map(({ admin }) => admin.call('info', 'replication') as Promise<string>));
    return infos.every((info) => info.includes('master_link_status:up'));
  });
}

async function knownTo({ admin }: ClusterNodeForTest): Promise<number> {
  const nodes = (await admin.call('cluster', 'nodes')) as string;
  return nodes.split('\n').filter((line) => line !== '' && !line.includes('handshake')).length;
}

async function slotOf({ admin }: ClusterNodeForTest, key: string): Promise<number> {
  return (await admin.call('cluster', 'keyslot', key)) as number;
}

async function ownerOf(nodes: readonly ClusterNodeForTest[], key: string): Promise<ClusterNodeForTest> {
  for (const node of nodes) {
    try {
      const slot = await slotOf(node, key);
      const ranges = (await node.admin.call('cluster', 'slots')) as [number, number, [string, number, string]][];
      const range = ranges.find(([first, last]) => slot >= first && slot <= last);
      const owner = nodes.find(({ id }) => id === range?.[2][2]);
      assert(owner !== undefined, `slot ${slot} has an owner`);
      return owner;
    } catch (error) {
      if (node === nodes.at(-1)) throw error;
    }
  }
  throw new Error('a cluster has nodes');
}

async function moveSlot(
  masters: readonly ClusterNodeForTest[],
  slot: number,
  { from, to }: { readonly from: ClusterNodeForTest; readonly to: ClusterNodeForTest },
): Promise<void> {
  if (from === to) return;
  await to.admin.call('cluster', 'setslot', slot, 'importing', from.id);
  await from.admin.call('cluster', 'setslot', slot, 'migrating', to.id);
  for (;;) {
    const keys = (await from.admin.call('cluster', 'getkeysinslot', slot, KEYS_PER_STEP)) as string[];
    if (keys.length === 0) break;
    await from.admin.call('migrate', '127.0.0.1', to.port, '', 0, MIGRATE_TIMEOUT_MS, 'KEYS', ...keys);
  }
  for (const { admin } of [to, from, ...masters]) await admin.call('cluster', 'setslot', slot, 'node', to.id);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endsAtMs = performance.now() + READY_TIMEOUT_MS;
  while (!(await condition())) {
    assert(performance.now() < endsAtMs, 'the nodes of the test join within the time given');
    await delay(POLL_MS);
  }
}
