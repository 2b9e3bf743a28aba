import { createRequire } from 'node:module';

/**
 * chDB's own `insert()` takes eight text formats and builds the statement itself. The addon below it takes any
 * statement and the bytes as they are, without a copy into a JavaScript string. It is reached through the platform
 * package that `chdb` itself loads; the version of both is pinned, and a test inserts binary bytes through it.
 */
export interface RawInsertCounts {
  readonly rowsWritten: number;
  readonly bytesWritten: number;
}

interface ChdbAddon {
  InsertRawAsyncConnection(
    connection: unknown,
    statement: string,
    body: Buffer,
    countLines: boolean,
  ): Promise<Partial<RawInsertCounts>>;
}

const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@chdb/lib-darwin-arm64',
  'darwin-x64': '@chdb/lib-darwin-x64',
  'linux-x64': '@chdb/lib-linux-x64-gnu',
  'linux-arm64': '@chdb/lib-linux-arm64-gnu',
};

let addon: ChdbAddon | null = null;

/** Runs `statement` followed by a newline and `body`. */
export async function rawInsert(connection: unknown, statement: string, body: Buffer): Promise<RawInsertCounts> {
  addon ??= loadAddon();
  const counts = await addon.InsertRawAsyncConnection(connection, statement, body, false);
  return { rowsWritten: counts.rowsWritten ?? 0, bytesWritten: counts.bytesWritten ?? 0 };
}

function loadAddon(): ChdbAddon {
  const platform = `${process.platform}-${process.arch}`;
  const name = PLATFORM_PACKAGES[platform];
  if (name === undefined) throw new Error(`the embedded ClickHouse does not run on ${platform}; set CLICKHOUSE_URL`);
  const here = createRequire(import.meta.url);
  return createRequire(here.resolve('chdb'))(name) as ChdbAddon;
}
