import type { JsonObject } from './json.ts';
import type { SessionEpoch } from './ids.ts';
import type { TwinContext, TwinEffect, TwinMessage, TwinMessageKind } from './twin-message.ts';
import type { TwinEvent } from './twin-event.ts';
import type { TwinState } from './twin-state.ts';

/** What a twin answers a refused message with; all of them stand in `libs/wire`'s list of error codes. */
export const REJECTION_CODES = [
  'TWIN_VERSION_CONFLICT',
  'TWIN_TOO_LARGE',
  'JSON_TOO_DEEP',
  'PATCH_INVALID',
  'NOT_FOUND',
  'COMMAND_INVALID',
  'COMMAND_CONFLICT',
  'COMMAND_NOT_FOUND',
  'COMMAND_SENT',
  'COMMAND_ENDED',
  'TOO_MANY_COMMANDS',
] as const;

export type RejectionCode = (typeof REJECTION_CODES)[number];

/** Why a message was not done. A value: it is an expected answer, not an exception. */
export interface Rejection {
  readonly code: RejectionCode;
  readonly detail: string;
}

export interface Decision {
  readonly events: readonly TwinEvent[];
  readonly effects: readonly TwinEffect[];
  /** Present when the message was refused. An API write's refusal is itself remembered, by an event. */
  readonly rejection?: Rejection;
  /** Where it is not `applied` for a changed state and `noop` for an unchanged one. */
  readonly outcome?: 'dead' | 'superseded';
}

export type MessageOf<Kind extends TwinMessageKind> = Extract<TwinMessage, { kind: Kind }>;
/** Pure and total: the same state, message and context always give the same decision, and no JSON makes it throw. */
export type Decide<Kind extends TwinMessageKind> = (
  state: TwinState,
  message: MessageOf<Kind>,
  context: TwinContext,
) => Decision;

export const NO_EVENTS: readonly TwinEvent[] = Object.freeze([]);
export const NO_EFFECTS: readonly TwinEffect[] = Object.freeze([]);
export const NOTHING_TO_DO: Decision = Object.freeze({ events: NO_EVENTS, effects: NO_EFFECTS });

export interface Downlink {
  readonly topic: string;
  readonly payload: JsonObject;
  readonly sessionEpoch: SessionEpoch;
  readonly twinVersion: number;
}

/** Everything that a twin says to its device is QoS 1: the device may rely on an answer or a reconnect. */
export function downlink({ topic, payload, sessionEpoch, twinVersion }: Downlink): TwinEffect {
  return { kind: 'downlink', topic, payload, qos: 1, sessionEpoch, twinVersion };
}

/** A created or deleted twin is a change of the whole document. */
export const ALL_SECTIONS = ['desired', 'tags', 'reported', 'presence'] as const;

/** The key that versions carry in payloads to and from devices; no section may have it at its top. */
export const VERSION_KEY = '$version';
