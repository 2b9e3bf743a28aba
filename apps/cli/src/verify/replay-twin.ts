import type { DeviceKey, TwinState } from '@breakwater/twin';
import { type TwinModel, twinModel } from '@breakwater/twin-runtime';

import type { LogRecord } from './log-records.ts';

/**
 * Applies a twin's records to a stored state with the production domain, and answers the state as it would be stored.
 * No clock, no store, no network: what comes out is a function of what goes in.
 */
export function replayTwin(
  key: DeviceKey,
  state: string | null,
  records: readonly LogRecord[],
  model: TwinModel = twinModel,
): string | null {
  let twin: TwinState | null = state === null ? null : model.parseTwin(state);
  for (const { decoded, lane, offset, appendedAtMs } of records) {
    if (decoded === null) continue;
    const { incarnation, sessionEpoch, message } = decoded;
    const before = twin ?? model.newTwin(key, incarnation);
    try {
      const context = { nowMs: appendedAtMs, lane, offset, incarnation, sessionEpoch };
      const applied = model.applyMessage(before, message, context);
      if (applied.state !== before) twin = applied.state;
    } catch {
      // The runtime makes a dead letter of it and leaves the twin as it was.
    }
  }
  return twin === null ? null : model.serializeTwin(twin);
}

/**
 * Orders in which the lanes may have been taken. Within a lane the order is the log's. Between the lanes none is
 * promised, and none is stored: nearly always it makes no difference, because telemetry and control change different
 * parts of a twin; where a life of a device begins or ends it may.
 */
export function possibleOrders(records: readonly LogRecord[]): readonly (readonly LogRecord[])[] {
  const control = records.filter(({ lane }) => lane === 'control');
  const telemetry = records.filter(({ lane }) => lane === 'telemetry');
  if (control.length === 0 || telemetry.length === 0) return [records];
  return [[...control, ...telemetry], byAppendTime(control, telemetry), [...telemetry, ...control]];
}

function byAppendTime(control: readonly LogRecord[], telemetry: readonly LogRecord[]): readonly LogRecord[] {
  const merged: LogRecord[] = [];
  let next = 0;
  for (const record of control) {
    while (next < telemetry.length && (telemetry[next] as LogRecord).appendedAtMs < record.appendedAtMs) {
      merged.push(telemetry[next] as LogRecord);
      next += 1;
    }
    merged.push(record);
  }
  return [...merged, ...telemetry.slice(next)];
}
