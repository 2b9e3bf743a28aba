const MIB = 1024 * 1024;

/** The caches' own defaults are sized for a server of its own (5 GiB each); here they share 1.2 GB with everything. */
const CACHE_BYTES = { mark: 32 * MIB, primaryIndex: 32 * MIB, indexMark: 8 * MIB, queryCondition: 8 * MIB };

/** The engine's server configuration, which can only be given as a file and only when it starts. */
export function engineConfig(options: { readonly memoryBytesMax: number }): string {
  const values: Readonly<Record<string, number>> = {
    max_server_memory_usage: options.memoryBytesMax,
    mark_cache_size: CACHE_BYTES.mark,
    primary_index_cache_size: CACHE_BYTES.primaryIndex,
    index_mark_cache_size: CACHE_BYTES.indexMark,
    query_condition_cache_size: CACHE_BYTES.queryCondition,
    background_pool_size: 2,
    background_merges_mutations_concurrency_ratio: 1,
    max_thread_pool_size: 256,
  };
  const lines = Object.entries(values).map(([name, value]) => `  <${name}>${value}</${name}>`);
  return `<clickhouse>\n  <logger><level>none</level></logger>\n${lines.join('\n')}\n</clickhouse>\n`;
}
