import { Problem } from '../http/problem.ts';

/** What a field costs, by what has to be asked for it. */
const FIELD_COSTS = { device: 1, twin: 1, command: 5, page: 10, write: 10, telemetry: 20 } as const;

/** The budget of one request: depth alone does not bound what aliases and pages of devices multiply. */
export class QueryCost {
  readonly #max: number;
  #spent = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** @throws Problem REQUEST_INVALID once the request has asked for too much */
  spend(field: keyof typeof FIELD_COSTS): void {
    this.#spent += FIELD_COSTS[field];
    if (this.#spent <= this.#max) return;
    throw new Problem('REQUEST_INVALID', `this query costs more than ${this.#max}: ask for less at once`);
  }
}
