import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Session } from 'chdb';

import type { BodyFile } from './body-file.ts';
import { fromEngine } from './clickhouse-error.ts';
import { rawInsert } from './chdb-raw-insert.ts';
import { engineConfig } from './engine-config.ts';
import { insertFromFile } from './insert-from-file.ts';

export interface StatementResult {
  readonly bytes: Uint8Array;
  readonly rowsRead: number;
  readonly bytesRead: number;
  readonly rowsWritten: number;
  readonly bytesWritten: number;
  readonly elapsedSeconds: number;
}

const NO_BYTES = new Uint8Array(0);
/** Below this the file costs as much as it spares. */
const FILE_FROM_BYTES = 4 * 1024;

/**
 * The engine in this process. Each statement gets a connection of its own (0.7 ms): settings, parameters and the
 * database that it names end with it. Statements run on the threads of libuv, so the event loop goes on answering.
 */
export class ChdbEngine {
  readonly #path: string;
  readonly #connectionArgs: readonly string[];
  readonly #bodyFile: BodyFile | null;
  /** Held open for as long as the engine lives: with its last connection the engine unloads every table. */
  readonly #anchor: Session;

  private constructor(path: string, connectionArgs: readonly string[], bodyFile: BodyFile | null) {
    this.#path = path;
    this.#connectionArgs = connectionArgs;
    this.#bodyFile = bodyFile;
    this.#anchor = new Session(path, { connectionArgs });
  }

  /** @param options.bodyFile where large bodies of inserts pass through, one at a time. */
  static open(options: {
    readonly folder: string;
    readonly memoryBytesMax: number;
    readonly bodyFile?: BodyFile | null;
  }): ChdbEngine {
    mkdirSync(options.folder, { recursive: true });
    const configFile = join(options.folder, 'engine.xml');
    writeFileSync(configFile, engineConfig(options));
    try {
      return new ChdbEngine(join(options.folder, 'store'), [`--config-file=${configFile}`], options.bodyFile ?? null);
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
   * Runs an INSERT that goes on in `body`, after the statements before it. To find where a statement ends the engine
   * reads everything behind it as if it were SQL, which costs as much as reading the rows as rows; so the rows stand in
   * a file wherever that can be, and never in one text with the statements before. Only one insert runs at a time.
   */
  async insert(before: string, insert: string, body: Buffer): Promise<StatementResult> {
    const file = this.#bodyFile;
    const fromFile = file === null || body.length < FILE_FROM_BYTES ? null : insertFromFile(insert, file.path);
    if (file === null || fromFile === null || !(await file.put(body))) return this.#insertInline(before, insert, body);
    try {
      return await this.#withSession(async (session) => {
        const result = await session.queryAsync(before + fromFile);
        const counts = { rowsWritten: result.rowsRead, bytesWritten: result.bytesRead };
        return { bytes: NO_BYTES, rowsRead: 0, bytesRead: 0, ...counts, elapsedSeconds: result.elapsed };
      });
    } finally {
      await file.clear();
    }
  }

  async #insertInline(before: string, insert: string, body: Buffer): Promise<StatementResult> {
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
