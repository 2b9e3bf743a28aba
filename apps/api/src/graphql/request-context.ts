import type { Caller } from '../http/authentication.ts';
import type { Trace } from '../http/trace.ts';
import type { QueryCost } from './query-cost.ts';

/** What each resolver gets beside its arguments. Made from the HTTP request, or from a WebSocket's connection init. */
export interface GraphqlContext {
  readonly caller: Caller;
  readonly trace: Trace;
  readonly cost: QueryCost;
}
