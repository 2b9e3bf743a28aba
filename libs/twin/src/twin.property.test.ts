import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { anyLog, type TestRecord } from '../test/arbitraries.ts';
import { applyMessage, type AppliedMessage } from './apply-message.ts';
import { decide } from './decide.ts';
import { estimateBytes } from './estimate-bytes.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from './ids.ts';
import { jsonBytes, jsonDepth } from './json-size.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { TWIN_LIMITS } from './limits.ts';
import { mergePatch } from './merge-patch.ts';
import { getOwn, isEmptyObject, isJsonObject } from './own-property.ts';
import { parseTwin, serializeTwin } from './state-text.ts';
import { twinDocument } from './twin-document.ts';
import type { TwinContext } from './twin-message.ts';
import { newTwin, type TwinState } from './twin-state.ts';

const START = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);

const CONTEXT: TwinContext = {
  nowMs: 1_000,
  lane: 'control',
  offset: 0 as Offset,
  incarnation: 1 as Incarnation,
  sessionEpoch: 9 as SessionEpoch,
};

const LISTENING: readonly TestRecord[] = [
  { context: CONTEXT, message: { kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' } },
  { context: CONTEXT, message: { kind: 'desiredSubscribed' } },
];

/** Writes and reports over so few paths and values that they meet all the time. */
const anySmallValue = fc.constantFrom(null, 1, 2);
const anySmallPatch: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.constantFrom('a', 'b'),
  fc.oneof(anySmallValue, fc.dictionary(fc.constantFrom('a', 'b'), anySmallValue)),
);
const anyDialogue = fc.array(fc.tuple(fc.boolean(), anySmallPatch), { maxLength: 12 }).map((turns) =>
  turns.map(([isWrite, patch], index): TestRecord => ({
    context: CONTEXT,
    message: isWrite ? { kind: 'patchTwin', operationId: `o${index}`, desired: patch } : { kind: 'reportState', patch },
  })),
);

interface Step extends AppliedMessage {
  readonly record: TestRecord;
  readonly before: TwinState;
}

function run(log: readonly TestRecord[], start: TwinState = START): Step[] {
  const steps: Step[] = [];
  let before = start;
  for (const record of log) {
    const applied = applyMessage(before, record.message, record.context);
    steps.push({ ...applied, record, before });
    before = applied.state;
  }
  return steps;
}

function forEveryStep(check: (step: Step) => void): void {
  fc.assert(
    fc.property(anyLog, (log) => run(log).forEach(check)),
    { numRuns: 300 },
  );
}

describe('a twin, whatever its log holds', () => {
  it('takes every message without throwing, and writes and reads back what it became', () => {
    forEveryStep(({ state }) => {
      const text = serializeTwin(state);
      expect(serializeTwin(parseTwin(text))).toBe(text);
      expect(JSON.stringify(twinDocument(parseTwin(text)))).toBe(JSON.stringify(twinDocument(state)));
      expect(estimateBytes(parseTwin(text))).toBe(estimateBytes(state));
    });
  });

  it('goes on from what was read back exactly as from what was in memory', () => {
    fc.assert(
      fc.property(anyLog, (log) => {
        let reloaded = START;
        for (const { record, state, effects, outcome } of run(log)) {
          const again = applyMessage(parseTwin(serializeTwin(reloaded)), record.message, record.context);
          expect(JSON.stringify(again.effects)).toBe(JSON.stringify(effects));
          expect(again.outcome).toBe(outcome);
          expect(serializeTwin(again.state)).toBe(serializeTwin(state));
          reloaded = again.state;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('only grows in its versions', () => {
    forEveryStep(({ before, state }) => {
      expect(state.incarnation).toBeGreaterThanOrEqual(before.incarnation);
      if (state.incarnation > before.incarnation) return;
      expect(state.version).toBeGreaterThanOrEqual(before.version);
      expect(state.reportedVersion).toBeGreaterThanOrEqual(before.reportedVersion);
      expect(state.presence.sessionEpoch === 0 || state.presence.sessionEpoch >= before.presence.sessionEpoch).toBe(
        true,
      );
    });
  });

  it('counts each change once, and says which section it was', () => {
    forEveryStep(({ before, state, effects }) => {
      if (state.incarnation > before.incarnation) return;
      const changes = effects.filter((effect) => effect.kind === 'changed');
      expect(state.changeNumber - before.changeNumber).toBe(changes.length);
      if (state.deletedAtMs !== null) return;
      const sections = changes.flatMap((change) => change.sections);
      for (const section of ['desired', 'tags', 'reported'] as const) {
        if (state[section] !== before[section]) expect(sections).toContain(section);
      }
      const desiredOrTags = state.desired !== before.desired || state.tags !== before.tags;
      expect(state.version - before.version).toBe(desiredOrTags ? 1 : 0);
      expect(state.reportedVersion - before.reportedVersion).toBe(state.reported === before.reported ? 0 : 1);
    });
  });

  it('is applied exactly when its state is another one', () => {
    forEveryStep(({ before, state, outcome, effects, record, rejection }) => {
      // What is dead may begin a new life of its device all the same.
      if (outcome !== 'dead') expect(outcome === 'applied').toBe(state !== before);
      const isForeign = rejection?.code === 'COMMAND_NOT_FOUND' && record.message.kind !== 'cancelCommand';
      expect(outcome === 'dead').toBe(record.message.kind === 'deadLetter' || isForeign);
      if (outcome === 'superseded')
        expect(effects.every(({ kind }) => kind === 'operationAnswered' || kind === 'commandChanged')).toBe(true);
    });
  });

  it('answers every write of an application, and a repeat like the first time', () => {
    fc.assert(
      fc.property(anyLog, (log) => {
        for (const { record, effects, state } of run(log)) {
          if (record.message.kind !== 'patchTwin') continue;
          const answers = effects.filter((effect) => effect.kind === 'operationAnswered');
          expect(answers).toHaveLength(1);
          if (state.operations.length === 0) continue;
          const again = applyMessage(state, record.message, record.context);
          expect(again.effects).toEqual(answers);
          expect(again.state).toBe(state);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('stays inside its limits', () => {
    forEveryStep(({ state }) => {
      expect(jsonBytes([state.desired, state.tags])).toBeLessThanOrEqual(TWIN_LIMITS.documentBytesMax + '[,]'.length);
      expect(jsonBytes(state.reported)).toBeLessThanOrEqual(TWIN_LIMITS.documentBytesMax);
      for (const section of [state.desired, state.reported, state.tags]) {
        expect(jsonDepth(section)).toBeLessThanOrEqual(TWIN_LIMITS.depthMax);
      }
      expect(state.operations.length).toBeLessThanOrEqual(TWIN_LIMITS.operationsMax);
    });
  });

  it('has a timestamp for each leaf and for nothing else', () => {
    forEveryStep(({ before, state, record }) => {
      expectSameShape(state.desired, state.desiredTimestamps);
      expectSameShape(state.reported, state.reportedTimestamps);
      expectSameShape(state.tags, state.tagsTimestamps);
      if (state.incarnation > before.incarnation || state.deletedAtMs !== null) return;
      expectStamps(before.reported, state.reported, [before.reportedTimestamps, state.reportedTimestamps], record);
    });
  });

  it('sends a listening device what keeps it equal to desired, whatever it reports meanwhile', () => {
    fc.assert(
      fc.property(anyDialogue, (dialogue) => {
        // It listens from the beginning, when nothing is desired, and merges all that it is sent.
        let held: JsonObject = {};
        for (const { state, effects } of run([...LISTENING, ...dialogue])) {
          for (const effect of effects) {
            if (effect.kind !== 'downlink' || effect.topic !== 'twin/desired') continue;
            expect(effect).toMatchObject({ sessionEpoch: 9, twinVersion: state.version });
            expect(effect.payload.$version).toBe(state.version);
            held = mergePatch(held, mergePatch(effect.payload, { $version: null }));
          }
          expect(held).toEqual(state.desired);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('decides the same, however often it is asked', () => {
    forEveryStep(({ before, record }) => {
      const text = serializeTwin(before);
      const first = decide(before, record.message, record.context);
      expect(decide(before, record.message, record.context)).toEqual(first);
      expect(serializeTwin(before)).toBe(text);
    });
  });
});

function expectSameShape(document: JsonValue, timestamps: JsonValue | undefined): void {
  if (!isJsonObject(document) || isEmptyObject(document)) {
    // The root of an empty section has no leaf: its tree is empty too.
    expect(typeof timestamps === 'number' || (isJsonObject(timestamps) && isEmptyObject(timestamps))).toBe(true);
    return;
  }
  const tree = timestamps as JsonObject;
  expect(Object.keys(tree)).toEqual(Object.keys(document));
  for (const key of Object.keys(document)) expectSameShape(document[key] as JsonValue, getOwn(tree, key));
}

function expectStamps(
  before: JsonObject,
  after: JsonObject,
  [old, now]: readonly [JsonObject, JsonObject],
  record: TestRecord,
): void {
  for (const key of Object.keys(after)) {
    const value = after[key] as JsonValue;
    if (isJsonObject(value) && !isEmptyObject(value)) continue;
    const same = Object.hasOwn(before, key) && before[key] === value;
    expect(getOwn(now, key)).toBe(same ? getOwn(old, key) : record.context.nowMs);
  }
}
