import { canonicalJson } from '../canonical-json.ts';
import type { JsonValue } from '../json.ts';
import { COMMAND_LIMITS } from './command-limits.ts';
import type { TwinCommand } from './command.ts';

export interface CommandOrder {
  readonly commandId: string;
  readonly bodyDigest: string;
  readonly method: string;
  readonly params?: JsonValue;
  readonly deadlineMs: number;
}

export function newCommand(order: CommandOrder, requestId: number, nowMs: number): TwinCommand {
  const { commandId, bodyDigest, method, params, deadlineMs } = order;
  return {
    commandId,
    bodyDigest,
    requestId,
    method,
    ...(params === undefined ? {} : { params: canonicalJson(params) }),
    orderedAtMs: nowMs,
    deadlineMs: Math.min(deadlineMs, nowMs + COMMAND_LIMITS.lifeMsMax),
    state: 'QUEUED',
    transitions: [{ state: 'QUEUED', atMs: nowMs }],
    dispatches: 0,
    notSent: 0,
    dispatchEpoch: 0 as TwinCommand['dispatchEpoch'],
  };
}
