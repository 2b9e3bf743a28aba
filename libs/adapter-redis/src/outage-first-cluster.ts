import { Cluster, type ClusterNode, type ClusterOptions } from 'ioredis';

/** Commands that the client sends itself to find out about the cluster. */
const OWN_COMMAND = 'cluster';
/** Of one command, until it ends with an error: 16 times 100 ms outlast a hand-over, and no outage. */
const REDIRECTIONS_MAX = 16;
const RETRY_MS = 100;
const SLOTS_REFRESH_TIMEOUT_MS = 2_000;

/**
 * What is sent again, and what is not. MOVED, ASK, TRYAGAIN and CLUSTERDOWN are refusals: the command has not run, so
 * it goes on to another node or is tried again. A connection that broke with a command under way leaves its outcome
 * open, and ioredis would send it again after `retryDelayOnFailover`: a commit or an append might then run twice. With
 * 0 it is rejected at once instead, as on one server.
 */
const OPTIONS = {
  retryDelayOnFailover: 0,
  maxRedirections: REDIRECTIONS_MAX,
  retryDelayOnClusterDown: RETRY_MS,
  retryDelayOnTryAgain: RETRY_MS,
  slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
  // Replicas lag behind. Positions, epochs and revisions are only compared with what their master has.
  scaleReads: 'master',
  // Names stay names until a node is connected to: the address of a container that restarted is soon another one, and
  // the certificate of a node is for its name.
  dnsLookup: (address, callback) => callback(null, address),
} satisfies ClusterOptions;

/**
 * A client of a cluster on which an outage is an answer too. Without any node ioredis would keep commands, however many
 * and for however long, until there is a cluster again.
 */
export class OutageFirstCluster extends Cluster {
  constructor(
    hosts: readonly ClusterNode[],
    options: {
      readonly clusterRetryStrategy: (attempt: number) => number;
      readonly redisOptions: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>;
    },
  ) {
    super([...hosts], { ...OPTIONS, ...options });
  }

  override sendCommand(...sent: Parameters<Cluster['sendCommand']>): unknown {
    const [command] = sent;
    if (this.status === 'ready' || command.name === OWN_COMMAND) return super.sendCommand(...sent);
    command.reject(new Error(`the Redis Cluster is not reachable: the connection is in state "${this.status}"`));
    return command.promise;
  }
}
