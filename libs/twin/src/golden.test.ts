import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { applyMessage } from './apply-message.ts';
import { decide } from './decide.ts';
import type { DeviceId, Incarnation, TenantId } from './ids.ts';
import type { JsonValue } from './json.ts';
import { parseTwin, serializeTwin } from './state-text.ts';
import { twinDocument } from './twin-document.ts';
import type { TelemetryPoint, TwinContext, TwinMessage } from './twin-message.ts';
import { newTwin } from './twin-state.ts';

/** One story of a twin: what came in, what was decided each time, and what the twin was in the end. */
interface Vector {
  readonly explains: string;
  readonly start: { readonly tenant: TenantId; readonly device: DeviceId; readonly incarnation: Incarnation };
  readonly steps: readonly Step[];
  /** Its lines: the document, and the latest values as text, because an object would order keys of digits anew. */
  readonly state: readonly [document: JsonValue, telemetry?: string];
  /** As builds before version 2 stored it. */
  readonly version1: JsonValue;
  readonly document: JsonValue;
}

interface Step {
  readonly message: TwinMessage & { readonly points?: readonly VectorPoint[] };
  readonly context: TwinContext;
  readonly events: JsonValue;
  readonly effects: JsonValue;
  readonly rejection?: JsonValue;
  readonly outcome: string;
}

/** JSON has no maps. */
interface VectorPoint {
  readonly tsMs: number;
  readonly values: Record<string, JsonValue>;
}

function messageOf({ message }: Step): TwinMessage {
  if (message.kind !== 'telemetry') return message;
  const points = (message.points as unknown as readonly VectorPoint[]).map(({ tsMs, values }): TelemetryPoint => ({
    tsMs,
    values: new Map(Object.entries(values)),
  }));
  return { kind: 'telemetry', points };
}

// The vectors are the specification of the twin, and their `state` that of the stored form: a change here is a change
// for every stored twin, and needs a new STATE_VERSION.
const folder = new URL('../test/golden/', import.meta.url);

describe.each(readdirSync(folder).sort())('%s', (file) => {
  const vector = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Vector;

  it(vector.explains, () => {
    let state = newTwin(vector.start, vector.start.incarnation);
    for (const [index, step] of vector.steps.entries()) {
      const decision = decide(state, messageOf(step), step.context);
      const applied = applyMessage(state, messageOf(step), step.context);
      const { rejection, events, effects } = decision;
      const found = { index, events, effects, ...(rejection && { rejection }), outcome: applied.outcome };
      const { message: _message, context: _context, ...wanted } = step;
      // As text: the order of keys is part of what is stored and sent.
      expect(JSON.stringify(found, null, 1)).toBe(JSON.stringify({ index, ...wanted }, null, 1));
      expect(applied.effects).toEqual(effects);
      state = applied.state;
    }
    const [document, ...telemetry] = vector.state;
    const stored = [JSON.stringify(document), ...telemetry].join('\n');
    expect(serializeTwin(state)).toBe(stored);
    expect(JSON.stringify(twinDocument(state))).toBe(JSON.stringify(vector.document));
    expect(serializeTwin(parseTwin(stored))).toBe(stored);
    expect(serializeTwin(parseTwin(JSON.stringify(vector.version1)))).toBe(stored);
  });
});
