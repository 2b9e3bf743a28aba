import type { AnswerState, TwinCommand } from './commands/command.ts';
import type { Incarnation, Offset, SessionEpoch } from './ids.ts';
import type { JsonObject, JsonValue } from './json.ts';

/** Measurements of one device time (Unix ms). */
export interface TelemetryPoint {
  readonly tsMs: number;
  readonly values: ReadonlyMap<string, JsonValue>;
  /** The gateway clamped or replaced the device's time. */
  readonly marked?: true;
}

/** Everything that can happen to a twin. Each arrives as one record of the log. */
export type TwinMessage =
  | { readonly kind: 'telemetry'; readonly points: readonly TelemetryPoint[] }
  | { readonly kind: 'event'; readonly name: string; readonly tsMs: number; readonly data: JsonValue }
  | { readonly kind: 'reportState'; readonly patch: JsonObject; readonly expectedVersion?: number }
  | { readonly kind: 'getTwin' }
  /** ThingsBoard's request for attributes: client ones are the reported state, shared ones the desired. */
  | {
      readonly kind: 'getAttributes';
      readonly requestId: number;
      /** Absent: none of them. With neither list it asks for everything. */
      readonly clientKeys?: readonly string[];
      readonly sharedKeys?: readonly string[];
    }
  | {
      readonly kind: 'patchTwin';
      readonly operationId: string;
      readonly desired?: JsonObject;
      readonly tags?: JsonObject;
      /** The versions of an If-Match header; the patch applies when the twin has one of them. */
      readonly ifMatch?: readonly number[];
    }
  | { readonly kind: 'sessionOpened'; readonly gatewayId: string; readonly protocol: string }
  | { readonly kind: 'sessionClosed'; readonly reason: string }
  /** The device now listens to `twin/desired`: it is sent the full delta. */
  | { readonly kind: 'desiredSubscribed' }
  /** The device's will, or what it says of itself on `status`. */
  | { readonly kind: 'statusReported'; readonly detail: JsonValue }
  | { readonly kind: 'timerFired'; readonly timerId: string; readonly generation: number }
  | {
      readonly kind: 'orderCommand';
      /** Of whoever waits for the answer; empty: nobody does. */
      readonly operationId: string;
      readonly commandId: string;
      readonly bodyDigest: string;
      readonly method: string;
      readonly params?: JsonValue;
      readonly deadlineMs: number;
    }
  | {
      readonly kind: 'cancelCommand';
      readonly operationId: string;
      readonly commandId: string;
      /** Also when it may have reached the device. */
      readonly force: boolean;
      readonly reason?: string;
    }
  /** The PUBACK of this dispatch has not come; the device is to be sent the command again. */
  | { readonly kind: 'resendCommand'; readonly commandId: string; readonly dispatch: number }
  | { readonly kind: 'checkCommand'; readonly commandId: string }
  /** The device now listens to commands: it is given those that wait. */
  | { readonly kind: 'commandsSubscribed' }
  /** What became of one dispatch, as its gateway saw it. */
  | {
      readonly kind: 'commandDelivery';
      readonly commandId: string;
      readonly dispatch: number;
      /** `delivered`: the device acknowledged it with `reasonCode`; `notSent`: it never left for the device. */
      readonly outcome: 'sent' | 'delivered' | 'notSent';
      readonly sentAtMs?: number;
      readonly reasonCode?: number;
    }
  | {
      readonly kind: 'commandProgressed';
      readonly commandId: string;
      readonly percent?: number;
      readonly note?: string;
    }
  /** By command id, or by the number under which the device got it. */
  | {
      readonly kind: 'commandAnswered';
      readonly commandId?: string;
      readonly requestId?: number;
      readonly status: AnswerState;
      readonly result?: JsonValue;
      readonly reason?: string;
    }
  /** A command's history, on its way to the telemetry store. The twin wrote it and takes nothing from it. */
  | { readonly kind: 'commandRecorded' }
  | { readonly kind: 'deviceCreated' }
  | { readonly kind: 'deviceDeleted' }
  /** A message that could not be used, kept with its bytes. The twin only counts it. */
  | { readonly kind: 'deadLetter' };

export type TwinMessageKind = TwinMessage['kind'];

/** What a decision may depend on beside state and message. There is no clock: `nowMs` is the record's append time. */
export interface TwinContext {
  readonly nowMs: number;
  readonly lane: 'control' | 'telemetry';
  readonly offset: Offset;
  readonly incarnation: Incarnation;
  /** 0 for records that do not come from a session. */
  readonly sessionEpoch: SessionEpoch;
}

/** Exactly one per record and consumer; the ledger adds them up. */
export type RecordOutcome = 'applied' | 'noop' | 'dead' | 'superseded';

/** How an API write ended. Kept in the twin's last operations. */
export type OperationOutcome =
  | { readonly kind: 'applied'; readonly version: number }
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string; readonly version: number };

/** Which command a downlink is, and what its gateway needs to know of it. */
export interface CommandDispatch {
  readonly commandId: string;
  readonly requestId: number;
  readonly dispatch: number;
  readonly deadlineMs: number;
}

/** What is to be done outside the twin once the commit is durable. */
export type TwinEffect =
  | {
      readonly kind: 'downlink';
      /** Below `v1/devices/me/`, e.g. `twin/desired`. */
      readonly topic: string;
      readonly payload: JsonObject;
      readonly qos: 0 | 1;
      /** The session that it is meant for; a later one is sent the state anew. */
      readonly sessionEpoch: SessionEpoch;
      readonly twinVersion: number;
      /** Set: it is this dispatch of a command. */
      readonly command?: CommandDispatch;
    }
  /** The document changed in desired, tags, reported or presence. The runtime adds the whole document. */
  | { readonly kind: 'changed'; readonly sections: readonly ('desired' | 'tags' | 'reported' | 'presence')[] }
  | { readonly kind: 'operationAnswered'; readonly operationId: string; readonly outcome: OperationOutcome }
  /** The command as it is now, for its workflow, its history and those who watch. */
  | { readonly kind: 'commandChanged'; readonly command: TwinCommand }
  | { readonly kind: 'timerSet'; readonly timerId: string; readonly generation: number; readonly dueAtMs: number }
  | { readonly kind: 'timerCleared'; readonly timerId: string };
