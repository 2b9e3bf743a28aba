import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Session } from 'chdb';

import { fromEngine } from './clickhouse-error.ts';
import { rawInsert } from './chdb-raw-insert.ts';
import { engineConfig } from './engine-config.ts';

export interface StatementResult {
  readonly bytes: Uint8Array;
  readonly rowsRead: number;
  readonly bytesRead: number;
  readonly rowsWritten: number;
  readonly bytesWritten: number;
  readonly elapsedSeconds: number;
}

const NO_BYTES = new Uint8Array(0);

/**
 * The engine in this process. Each statement gets a connection of its own (0.7 ms): settings, parameters and the
 * database that it names end with it. Statements run on the threads of libuv, so the event loop goes on answering.
 */
export class ChdbEngine {
  readonly #path: string;
  readonly #connectionArgs: readonly string[];
  /** Held open for as long as the engine lives: with its last connection the engine unloads every table. */
  readonly #anchor: Session;

  private constructor(path: string, connectionArgs: readonly string[]) {
    this.#path = path;
    this.#connectionArgs = connectionArgs;
    this.#anchor = new Session(path, { connectionArgs });
  }

  static open(options: { readonly folder: string; readonly memoryBytesMax: number }): ChdbEngine {
    mkdirSync(options.folder, { recursive: true });
    const configFile = join(options.folder, 'engine.xml');
    writeFileSync(configFile, engineConfig(options));
    try {
      return new ChdbEngine(join(options.folder, 'store'), [`--config-file=${configFile}`]);
    } catch (error) {
      throw fromEngine(error);
    }
  }

  /** Runs statements that end in one with a result, in `format` unless that one names another. */
  async query(statements: string, format: string): Promise<StatementResult> {
    return this.#withSession(async (session) => {
      const result = await session.queryAsync(statements, { format });
      return {
        bytes: result.bytes(),
        rowsRead: result.rowsRead,
        bytesRead: result.bytesRead,
        rowsWritten: 0,
        bytesWritten: 0,
        elapsedSeconds: result.elapsed,
      };
    });
  }

  /**
   * Runs an INSERT that goes on in `body`, after the statements before it. Not as one text: to find where a statement
   * ends the engine reads everything behind it, rows too, once per statement, which costs four times the insert.
   */
  async insert(before: string, insert: string, body: Buffer): Promise<StatementResult> {
    return this.#withSession(async (session) => {
      if (before !== '') await session.queryAsync(before);
      const startMs = performance.now();
      const counts = await rawInsert(session.connection, insert, body);
      return {
        bytes: NO_BYTES,
        rowsRead: 0,
        bytesRead: 0,
        ...counts,
        elapsedSeconds: (performance.now() - startMs) / 1_000,
      };
    });
  }

  /** Only when no statement runs: chDB cannot stop one, and closing under it ends the process. */
  close(): void {
    this.#anchor.close();
  }

  async #withSession(run: (session: Session) => Promise<StatementResult>): Promise<StatementResult> {
    try {
      const session = new Session(this.#path, { connectionArgs: this.#connectionArgs });
      try {
        return await run(session);
      } finally {
        session.close();
      }
    } catch (error) {
      throw fromEngine(error);
    }
  }
}
