import type { SessionEpoch } from '../ids.ts';
import type { JsonObject, JsonValue } from '../json.ts';

/**
 * Where a command stands, in the order in which it may go on. Jumps forward are allowed: an answer may overtake its
 * PUBACK.
 */
export const COMMAND_STATES = [
  'QUEUED',
  'SENT',
  'DELIVERED',
  'IN_PROGRESS',
  'SUCCEEDED',
  'FAILED',
  'REJECTED',
  'TIMED_OUT',
  'EXPIRED',
  'CANCELED',
] as const;

export type CommandState = (typeof COMMAND_STATES)[number];

/** The states that only a device's own answer leads to. */
export const ANSWER_STATES = ['SUCCEEDED', 'FAILED', 'REJECTED'] as const satisfies readonly CommandState[];
export type AnswerState = (typeof ANSWER_STATES)[number];

const TERMINAL_RANK = 4;
const RANKS: Partial<Record<CommandState, number>> = { QUEUED: 0, SENT: 1, DELIVERED: 2, IN_PROGRESS: 3 };

/** How far a state is from `QUEUED`; all ends are equally far. */
export function rankOf(state: CommandState): number {
  return RANKS[state] ?? TERMINAL_RANK;
}

export function isEnded({ state }: { readonly state: CommandState }): boolean {
  return rankOf(state) === TERMINAL_RANK;
}

/**
 * Its twin had no room for it when it was ordered. Nothing of it is kept, and the same order may be tried again; a
 * `REJECTED` of the device itself comes later than the order.
 */
export function wasRefused(command: {
  readonly state: CommandState;
  readonly orderedAtMs: number;
  readonly transitions: readonly CommandTransition[];
}): boolean {
  const { state, orderedAtMs, transitions } = command;
  return state === 'REJECTED' && transitions.length === 2 && transitions[1]?.atMs === orderedAtMs;
}

export interface CommandTransition {
  readonly state: CommandState;
  readonly atMs: number;
  readonly reason?: string;
}

/**
 * One order to a device, as its twin knows it. The twin alone decides where it stands: whatever a workflow, a gateway
 * or the device says about it is a message to the twin.
 */
export interface TwinCommand {
  readonly commandId: string;
  /** Tells an order that is repeated from another one under the same id. */
  readonly bodyDigest: string;
  /** Its number among the commands of this device, for firmware that knows requests by number. */
  readonly requestId: number;
  readonly method: string;
  readonly params?: JsonValue;
  readonly orderedAtMs: number;
  /** It is never handed to the device after this. */
  readonly deadlineMs: number;
  readonly state: CommandState;
  readonly transitions: readonly CommandTransition[];
  /** How often it was given to a session; the number of the last time, too. */
  readonly dispatches: number;
  /** How many of them are known not to have reached the device. */
  readonly notSent: number;
  /** The last one is among them. */
  readonly lastNotSent?: true;
  /** The session it was given to last; 0: none. */
  readonly dispatchEpoch: SessionEpoch;
  readonly progress?: CommandProgress;
  readonly result?: JsonValue;
  /** The device's result is over a limit, of bytes or of depth, and was not kept. */
  readonly resultTooLarge?: true;
  /** It ended without an answer, and whether the device ever got it is not known. */
  readonly deliveryUnknown?: true;
  /** It was canceled after it may have reached the device. */
  readonly mayHaveRun?: true;
  /** The device's first answer after the end. It changes nothing but the history. */
  readonly late?: CommandTransition;
}

export interface CommandProgress {
  readonly percent?: number;
  readonly note?: string;
}

/** What a twin knows of commands: those that go on, in the order given, and the last ones that ended, oldest first. */
export interface TwinCommands {
  readonly pending: readonly TwinCommand[];
  readonly ended: readonly TwinCommand[];
  /**
   * Ids of orders that there was no room for, the oldest first. Whoever ordered was told so, and the workflow, which
   * may not have heard it yet, must not have it carried out after all. An application may order it again.
   */
  readonly refused: readonly string[];
  /** Commands of this life so far; the next one's request id is one more. */
  readonly count: number;
  /** Of the timer for their deadlines. */
  readonly timerGeneration: number;
  /** Derived, not stored: UTF-8 bytes of the JSON of the pending ones. */
  readonly pendingBytes: number;
}

/** Shared by all twins that were never ordered anything. */
export const NO_COMMANDS: TwinCommands = Object.freeze({
  pending: Object.freeze([]),
  ended: Object.freeze([]),
  refused: Object.freeze([]),
  count: 0,
  timerGeneration: 0,
  pendingBytes: 0,
});

/** Given to a session at least once, and nobody knows that all of these failed: the device may have it. */
export function mayBeThere({ dispatches, notSent }: TwinCommand): boolean {
  return dispatches > notSent;
}

export function findCommand({ pending, ended }: TwinCommands, commandId: string): TwinCommand | null {
  const isIt = (command: TwinCommand): boolean => command.commandId === commandId;
  return pending.find(isIt) ?? ended.findLast(isIt) ?? null;
}

/** A command as applications and its workflow see it. Times are Unix ms. */
export function commandDocument(command: TwinCommand): JsonObject {
  const {
    bodyDigest: _digest,
    notSent: _notSent,
    lastNotSent: _last,
    dispatchEpoch: _epoch,
    dispatches,
    ...rest
  } = command;
  return { ...rest, attempts: dispatches } as unknown as JsonObject;
}
