export interface RedisServerOptions {
  /** Folder of the append-only file. */
  readonly dataDir: string;
  readonly unixSocket: string;
  /** Beyond it appends are refused, and commits still work. 0: no limit. */
  readonly memoryBytesMax?: number;
  /** Port on 127.0.0.1; none without it. */
  readonly port?: number;
}

/** The command line of a redis-server that keeps what the embedded platform promises (docs/operations/redis.md). */
export function redisServerArguments(options: RedisServerOptions): readonly string[] {
  return [
    ...['--port', String(options.port ?? 0)],
    ...['--bind', '127.0.0.1'],
    ...['--unixsocket', options.unixSocket, '--unixsocketperm', '700'],
    ...['--dir', options.dataDir],
    // One fsync per turn of the event loop, before its replies: the group commit behind every PUBACK.
    ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
    // An evicted twin or frame would be a lost one.
    ...['--maxmemory', String(options.memoryBytesMax ?? 0), '--maxmemory-policy', 'noeviction'],
    // A twin is a hash of two fields: as one listpack it costs about 200 bytes less than as a table.
    ...['--hash-max-listpack-value', '4096'],
    ...['--auto-aof-rewrite-percentage', '100', '--auto-aof-rewrite-min-size', '64mb'],
    ...['--daemonize', 'no'],
  ];
}
