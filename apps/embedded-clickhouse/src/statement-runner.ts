import { CODES, raise } from './clickhouse-error.ts';
import type { ChdbEngine, StatementResult } from './chdb-engine.ts';
import { preamble, type RequestParameters } from './request-parameters.ts';
import { expectsRows, formatOf, statementKind, type StatementKind } from './statement-kind.ts';
import { StatementQueue } from './statement-queue.ts';

export interface RunnerLimits {
  readonly readersMax: number;
  readonly queueLengthMax: number;
  readonly readTimeoutMs: number;
  readonly resultBytesMax: number;
}

export interface RunnerResult extends StatementResult {
  readonly format: string;
}

/** Much of a statement that is looked at to know what it is: rows that follow are not. */
const HEAD_BYTES = 64 * 1024;
const NOTHING: StatementResult = {
  bytes: new Uint8Array(0),
  rowsRead: 0,
  bytesRead: 0,
  rowsWritten: 0,
  bytesWritten: 0,
  elapsedSeconds: 0,
};

/**
 * Two lanes. Writes run one after the other, in the order in which their bodies were complete; reads run beside them on
 * connections of their own and cannot write (`readonly = 2`). So a slow read costs the inserts processor time, no more.
 */
export class StatementRunner {
  readonly #engine: ChdbEngine;
  readonly #limits: RunnerLimits;
  readonly writes: StatementQueue;
  readonly reads: StatementQueue;

  constructor(engine: ChdbEngine, limits: RunnerLimits) {
    this.#engine = engine;
    this.#limits = limits;
    this.writes = new StatementQueue({ parallelMax: 1, lengthMax: limits.queueLengthMax });
    this.reads = new StatementQueue({ parallelMax: limits.readersMax, lengthMax: limits.queueLengthMax });
  }

  /** Null: the client went away before its turn, and nothing was done. */
  async run(request: RequestParameters, body: Buffer, gone: () => boolean): Promise<RunnerResult | null> {
    const head = request.query === '' ? body.subarray(0, HEAD_BYTES).toString('utf8') : request.query;
    const kind = statementKind(head);
    if (kind === 'empty') throw raise(CODES.syntaxError, 'Empty query');
    const format = request.format ?? 'TabSeparated';
    if (kind === 'read') {
      const statements = preamble(request, []) + this.#readLimits(request) + text(request.query, body);
      const result = await this.reads.run(() => this.#engine.query(statements, format), gone);
      return result && { ...result, format: formatOf(text(request.query, body)) ?? format };
    }
    const result = await this.writes.run(() => this.#write(kind, request, body), gone);
    return result && { ...result, format: formatOf(head) ?? format };
  }

  #write(kind: StatementKind, request: RequestParameters, body: Buffer): Promise<StatementResult> {
    const before = preamble(request, []);
    if (kind !== 'insert') {
      return this.#engine.query(before + text(request.query, body), request.format ?? 'TabSeparated');
    }
    if (body.length === 0) {
      if (expectsRows(request.query)) return Promise.resolve(NOTHING);
      return this.#engine.query(before + request.query, 'TabSeparated');
    }
    // The rows stay the bytes that came: no format is excluded, and no copy goes through a string.
    return this.#engine.insert(before, request.query, body);
  }

  #readLimits(request: RequestParameters): string {
    const asked = Number(request.settings.find(([name]) => name === 'max_execution_time')?.[1] ?? 0);
    const ceiling = this.#limits.readTimeoutMs / 1_000;
    const seconds = asked > 0 && asked < ceiling ? asked : ceiling;
    return (
      `SET max_execution_time = ${seconds}; SET timeout_overflow_mode = 'throw'; ` +
      `SET max_result_bytes = ${this.#limits.resultBytesMax}; SET result_overflow_mode = 'throw'; SET readonly = 2; `
    );
  }
}

function text(query: string, body: Buffer): string {
  if (body.length === 0) return query;
  return query === '' ? body.toString('utf8') : `${query}\n${body.toString('utf8')}`;
}
