import { jsonBytes } from '../json-size.ts';
import type { JsonValue } from '../json.ts';
import type { TwinCommand } from './command.ts';

/** Room for what a command gathers on its way: transitions with their reasons, progress. */
const GROWTH_BYTES = 1_024;

/** What a pending command counts for, from its order to its end. */
export function commandBytes({ commandId, method, params }: TwinCommand): number {
  const order: JsonValue = [commandId, method, params ?? null];
  return jsonBytes(order) + GROWTH_BYTES;
}
