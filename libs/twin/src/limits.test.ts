import { describe, expect, it } from '@jest/globals';

import { applyMessage, type AppliedMessage } from './apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from './ids.ts';
import type { JsonObject } from './json.ts';
import { TWIN_LIMITS } from './limits.ts';
import { parseTwin, serializeTwin } from './state-text.ts';
import type { TwinMessage } from './twin-message.ts';
import { newTwin, operationOutcome, type TwinState } from './twin-state.ts';

const START = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);
/** `{"k":""}` around the text. */
const FRAME_BYTES = 8;
const EMPTY_OBJECT_BYTES = 2;

function apply(state: TwinState, message: TwinMessage, nowMs = 1_000): AppliedMessage {
  const context = { nowMs, lane: 'control', offset: 1 as Offset, incarnation: 1 as Incarnation } as const;
  return applyMessage(state, message, { ...context, sessionEpoch: 1 as SessionEpoch });
}

function ofBytes(bytes: number): JsonObject {
  return { k: 'x'.repeat(bytes - FRAME_BYTES) };
}

function patch(
  state: TwinState,
  operationId: string,
  sections: { desired?: JsonObject; tags?: JsonObject },
): TwinState {
  return apply(state, { kind: 'patchTwin', operationId, ...sections }).state;
}

describe('the limits of a twin', () => {
  const { documentBytesMax } = TWIN_LIMITS;

  it('bound desired and tags together, to the byte', () => {
    const full = patch(START, 'full', { desired: ofBytes(documentBytesMax - EMPTY_OBJECT_BYTES) });
    expect(operationOutcome(full, 'full')).toEqual({ kind: 'applied', version: 1 });
    const over = patch(full, 'over', { tags: { a: 1 } });
    expect(operationOutcome(over, 'over')).toMatchObject({ kind: 'rejected', code: 'TWIN_TOO_LARGE', version: 1 });
    expect(over.tags).toBe(START.tags);
    const apart = patch(full, 'apart', { desired: { k: null }, tags: ofBytes(documentBytesMax - EMPTY_OBJECT_BYTES) });
    expect(operationOutcome(apart, 'apart')).toEqual({ kind: 'applied', version: 2 });
  });

  it('bound reported, to the byte, and apart from what applications write', () => {
    const full = patch(START, 'full', { desired: ofBytes(documentBytesMax - EMPTY_OBJECT_BYTES) });
    const reported = apply(full, { kind: 'reportState', patch: ofBytes(documentBytesMax) });
    expect(reported.outcome).toBe('applied');
    const over = apply(full, { kind: 'reportState', patch: ofBytes(documentBytesMax + 1) });
    expect(over.state).toBe(full);
    expect(over.effects).toMatchObject([{ topic: 'twin/reported/rejected', payload: { code: 'TWIN_TOO_LARGE' } }]);
  });

  it('count bytes of UTF-8, not characters', () => {
    const euros = { k: '€'.repeat((documentBytesMax - FRAME_BYTES) / 3 + 1) };
    expect(apply(START, { kind: 'reportState', patch: euros }).outcome).toBe('noop');
    expect(apply(START, { kind: 'reportState', patch: { k: euros.k.slice(1) } }).outcome).toBe('applied');
  });

  it('bound the result, not the patch: removing is always possible', () => {
    const full = apply(START, { kind: 'reportState', patch: ofBytes(documentBytesMax) }).state;
    const swapped = apply(full, {
      kind: 'reportState',
      patch: { k: null, l: 'x'.repeat(documentBytesMax - FRAME_BYTES) },
    });
    expect(swapped.outcome).toBe('applied');
  });

  it('bound the operations that are remembered: the oldest is forgotten first', () => {
    let state = START;
    for (let index = 0; index <= TWIN_LIMITS.operationsMax; index++)
      state = patch(state, `o${index}`, { tags: { index } });
    expect(state.operations).toHaveLength(TWIN_LIMITS.operationsMax);
    expect(operationOutcome(state, 'o0')).toBeNull();
    expect(operationOutcome(state, 'o1')).toEqual({ kind: 'applied', version: 2 });
  });

  it('do not remember an operation id that is too long, but answer it', () => {
    const operationId = 'o'.repeat(TWIN_LIMITS.operationIdLengthMax + 1);
    const { state, effects } = apply(START, { kind: 'patchTwin', operationId, tags: { a: 1 } });
    expect(state).toBe(START);
    expect(effects).toMatchObject([{ kind: 'operationAnswered', outcome: { code: 'PATCH_INVALID' } }]);
  });

  it('bound what a device says of itself', () => {
    const quotes = 2;
    const status = 's'.repeat(TWIN_LIMITS.statusBytesMax - quotes);
    expect(apply(START, { kind: 'statusReported', detail: status }).state.presence.status).toBe(status);
    expect(apply(START, { kind: 'statusReported', detail: `${status}s` }).outcome).toBe('noop');
  });

  it('cut the reason of a session that ended', () => {
    const { state } = apply(START, { kind: 'sessionClosed', reason: 'r'.repeat(10_000) });
    expect(state.presence.reason).toHaveLength(TWIN_LIMITS.reasonLengthMax);
  });

  it('keep the fullest possible twin below the limit of its stored text', () => {
    const leaves = (count: number): JsonObject =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [index.toString(36).padStart(3, '_'), 1]));
    let state = patch(START, 'o'.repeat(TWIN_LIMITS.operationIdLengthMax), { desired: leaves(8_000) });
    state = apply(state, { kind: 'reportState', patch: leaves(8_000) }, 1e12).state;
    const text = 'v'.repeat(TWIN_LIMITS.telemetryValueBytesMax - 2);
    const names = Array.from({ length: TWIN_LIMITS.telemetryKeysMax }, (_, index) => String(index).padStart(64, 'k'));
    const values = new Map(names.map((name) => [name, text]));
    state = apply(state, { kind: 'telemetry', points: [{ tsMs: 2e12, values }] }, 1e12).state;
    expect(state.telemetry.every(({ tooLarge }) => !tooLarge)).toBe(true);
    const stored = serializeTwin(state);
    expect(stored.length).toBeLessThan(TWIN_LIMITS.stateTextLengthMax / 2);
    expect(serializeTwin(parseTwin(stored))).toBe(stored);
  });
});
