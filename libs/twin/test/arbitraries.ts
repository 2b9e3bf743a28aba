import fc from 'fast-check';

import type { Incarnation, Offset, SessionEpoch } from '../src/ids.ts';
import type { JsonObject, JsonValue } from '../src/json.ts';
import type { TelemetryPoint, TwinContext, TwinMessage } from '../src/twin-message.ts';
import { setOwn, type OpenObject } from '../src/own-property.ts';

/** Few names, so that documents and patches meet; and those that a careless object would fall over. */
const anyKey = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', '1', '10', '') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '$version', 'é\u{1f600}'),
  },
);

const anyScalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer({ min: -3, max: 3 }),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.string({ unit: 'binary', maxLength: 4 }),
);

function objectOf(entries: readonly (readonly [string, JsonValue])[]): JsonObject {
  const result: OpenObject = {};
  for (const [key, value] of entries) setOwn(result, key, value);
  return result;
}

const tree = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    anyScalar,
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.array(fc.tuple(anyKey, tie('value')), { maxLength: 5 }).map(objectOf),
}));

export const anyJson: fc.Arbitrary<JsonValue> = tree.value;
/** May hold `null` anywhere: as a document before RFC 7396 touched it, or as a patch. */
export const anyObject: fc.Arbitrary<JsonObject> = tree.object;

/** A value nested so deeply that a recursion without a limit ends the process. */
export function deepJson(depth: number): JsonValue {
  let value: JsonValue = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? { a: value } : [value];
  return value;
}

const anyHostileObject = fc.oneof(
  { weight: 12, arbitrary: anyObject },
  { weight: 1, arbitrary: fc.constantFrom<JsonObject>({ a: deepJson(8) }, { a: deepJson(50_000) }) },
  { weight: 1, arbitrary: fc.constant<JsonObject>({ a: 'x'.repeat(70_000) }) },
  { weight: 1, arbitrary: fc.constant<JsonObject>({ a: Infinity }) },
);

const anyHostileValue = fc.oneof(anyJson, anyHostileObject, fc.constantFrom<JsonValue>(NaN, 'y'.repeat(2_000)));

export const anyPoint: fc.Arbitrary<TelemetryPoint> = fc.record({
  tsMs: fc.integer({ min: 990, max: 1_010 }),
  values: fc.array(fc.tuple(anyKey, anyHostileValue), { maxLength: 4 }).map((entries) => new Map(entries)),
});

const anyOperationId = fc.constantFrom('o1', 'o2', 'o3', 'o4', 'o5', 'z'.repeat(300));

const anyCommandId = fc.constantFrom('c1', 'c2', 'c3', 'c'.repeat(200), '');

/** Orders over so few ids and deadlines that they meet all the time. */
export const commandMessages: readonly fc.Arbitrary<TwinMessage>[] = [
  fc.record(
    {
      kind: fc.constant('orderCommand' as const),
      operationId: anyOperationId,
      commandId: anyCommandId,
      bodyDigest: fc.constantFrom('b1', 'b2'),
      method: fc.constantFrom('reboot', '', 'm'.repeat(200)),
      params: anyHostileValue,
      deadlineMs: fc.oneof(fc.integer({ min: 1_000, max: 1_020 }), fc.constantFrom(NaN, Number.MAX_SAFE_INTEGER)),
    },
    { requiredKeys: ['kind', 'operationId', 'commandId', 'bodyDigest', 'method', 'deadlineMs'] },
  ),
  fc.record({
    kind: fc.constant('cancelCommand' as const),
    operationId: anyOperationId,
    commandId: anyCommandId,
    force: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('resendCommand' as const), commandId: anyCommandId, dispatch: fc.nat({ max: 3 }) }),
  fc.record({ kind: fc.constant('checkCommand' as const), commandId: anyCommandId }),
  fc.constant<TwinMessage>({ kind: 'commandsSubscribed' }),
  fc.record({
    kind: fc.constant('commandDelivery' as const),
    commandId: anyCommandId,
    dispatch: fc.nat({ max: 3 }),
    outcome: fc.constantFrom('sent', 'delivered', 'notSent'),
    sentAtMs: fc.integer({ min: 990, max: 1_030 }),
    reasonCode: fc.constantFrom(0, 0x10, 0x80, 0x97),
  }),
  fc.record({
    kind: fc.constant('commandProgressed' as const),
    commandId: anyCommandId,
    percent: fc.double(),
    note: fc.string({ unit: 'binary', maxLength: 300 }),
  }),
  fc.record(
    {
      kind: fc.constant('commandAnswered' as const),
      commandId: anyCommandId,
      requestId: fc.nat({ max: 3 }),
      status: fc.constantFrom('SUCCEEDED', 'FAILED', 'REJECTED'),
      result: anyHostileValue,
      reason: fc.string({ unit: 'binary', maxLength: 300 }),
    },
    { requiredKeys: ['kind', 'status'] },
  ),
  fc.record({
    kind: fc.constant('timerFired' as const),
    timerId: fc.constant('commands'),
    generation: fc.nat({ max: 4 }),
  }),
];

const anyMessage: fc.Arbitrary<TwinMessage> = fc.oneof(
  fc.record({ kind: fc.constant('telemetry' as const), points: fc.array(anyPoint, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant('event' as const), name: anyKey, tsMs: fc.nat(), data: anyHostileValue }),
  fc.record(
    {
      kind: fc.constant('reportState' as const),
      patch: anyHostileObject,
      expectedVersion: fc.nat({ max: 3 }),
    },
    { requiredKeys: ['kind', 'patch'] },
  ),
  fc.constant<TwinMessage>({ kind: 'getTwin' }),
  fc.record(
    {
      kind: fc.constant('getAttributes' as const),
      requestId: fc.nat({ max: 3 }),
      clientKeys: fc.array(anyKey, { maxLength: 3 }),
      sharedKeys: fc.array(anyKey, { maxLength: 3 }),
    },
    { requiredKeys: ['kind', 'requestId'] },
  ),
  fc.record(
    {
      kind: fc.constant('patchTwin' as const),
      operationId: anyOperationId,
      desired: anyHostileObject,
      tags: anyHostileObject,
      ifMatch: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
    },
    { requiredKeys: ['kind', 'operationId'] },
  ),
  fc.constant<TwinMessage>({ kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' }),
  fc.record({ kind: fc.constant('sessionClosed' as const), reason: fc.constantFrom('gone', 'r'.repeat(1_000)) }),
  fc.constant<TwinMessage>({ kind: 'desiredSubscribed' }),
  ...commandMessages,
  fc.record({ kind: fc.constant('statusReported' as const), detail: anyHostileValue }),
  fc.record({ kind: fc.constant('timerFired' as const), timerId: anyKey, generation: fc.nat({ max: 2 }) }),
  fc.constantFrom<TwinMessage>({ kind: 'deviceCreated' }, { kind: 'deadLetter' }),
  { weight: 1, arbitrary: fc.constant<TwinMessage>({ kind: 'deviceDeleted' }) },
);

export interface TestRecord {
  readonly message: TwinMessage;
  readonly context: TwinContext;
}

/** A log of one device: offsets grow, sessions and incarnations mostly stay. */
export const anyLog: fc.Arbitrary<readonly TestRecord[]> = fc
  .array(
    fc.record({
      message: anyMessage,
      nowMs: fc.integer({ min: 1_000, max: 1_010 }),
      incarnation: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 3)),
      sessionEpoch: fc.nat({ max: 3 }),
    }),
    { maxLength: 30 },
  )
  .map((records) =>
    records.map(({ message, nowMs, incarnation, sessionEpoch }, index) => ({
      message,
      context: {
        nowMs,
        lane: message.kind === 'telemetry' || message.kind === 'event' ? 'telemetry' : 'control',
        offset: index as Offset,
        incarnation: incarnation as Incarnation,
        sessionEpoch: sessionEpoch as SessionEpoch,
      },
    })),
  );
