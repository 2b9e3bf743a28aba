import type {
  CommandDispatch,
  Epoch,
  Incarnation,
  JsonObject,
  Partition,
  SessionEpoch,
  TwinCommand,
  TwinEffect,
} from '@breakwater/twin';

import type { ChangeRecord } from './ports/change-feed.ts';
import type { Downlink } from './ports/downlink-channel.ts';
import type { Lane } from './ports/event-log.ts';
import type { OutboxEntry } from './ports/twin-store.ts';

/** Where a twin tells its device what is desired of it. */
const DESIRED_TOPIC = 'twin/desired';

/** What a record that could not be applied leaves behind. */
export interface DeadLetterPayload {
  readonly lane: Lane;
  readonly offset: number;
  readonly code: string;
  readonly detail: string;
  /** The record line as it stands in the log. */
  readonly line: string;
}

interface DownlinkPayload {
  readonly topic: string;
  readonly qos: 0 | 1;
  readonly sessionEpoch: SessionEpoch;
  readonly twinVersion: number;
  readonly payload: JsonObject;
  readonly command?: CommandDispatch;
}

/** A command as it was after one decision, and which life of the device it belongs to. */
export interface CommandPayload {
  readonly incarnation: Incarnation;
  readonly tsMs: number;
  readonly command: TwinCommand;
}

export function encodeDownlink(effect: Extract<TwinEffect, { kind: 'downlink' }>): string {
  const { topic, qos, sessionEpoch, twinVersion, payload, command } = effect;
  const encoded: DownlinkPayload = { topic, qos, sessionEpoch, twinVersion, payload, ...(command && { command }) };
  return JSON.stringify(encoded);
}

/** The downlink of an outbox entry of kind `downlink`. */
export function decodeDownlink(partition: Partition, epoch: Epoch, entry: OutboxEntry): Downlink {
  const { topic, qos, sessionEpoch, twinVersion, payload, command } = JSON.parse(entry.payload) as DownlinkPayload;
  return {
    outboxId: entry.id,
    partition,
    epoch,
    key: entry.key,
    sessionEpoch,
    twinVersion,
    topic,
    qos,
    payload: JSON.stringify(payload),
    ...(command && { command }),
  };
}

/**
 * An answer to what the device sent, which it may ask for again. Of a desired value it would never hear otherwise, and
 * of a command its twin would believe that this session has it.
 */
export function isAnswer(entry: OutboxEntry): boolean {
  if (entry.kind !== 'downlink') return false;
  const { topic, command } = JSON.parse(entry.payload) as DownlinkPayload;
  return topic !== DESIRED_TOPIC && command === undefined;
}

export function encodeCommand(payload: CommandPayload): string {
  return JSON.stringify(payload);
}

/** What an outbox entry of kind `command` holds. */
export function decodeCommand(entry: OutboxEntry): CommandPayload {
  return JSON.parse(entry.payload) as CommandPayload;
}

export function encodeChange(change: ChangeRecord): string {
  return JSON.stringify(change);
}

/** The change record of an outbox entry of kind `change`. */
export function decodeChange(entry: OutboxEntry): ChangeRecord {
  return JSON.parse(entry.payload) as ChangeRecord;
}

export function encodeDeadLetter(payload: DeadLetterPayload): string {
  return JSON.stringify(payload);
}

/** What an outbox entry of kind `deadLetter` holds. */
export function decodeDeadLetter(entry: OutboxEntry): DeadLetterPayload {
  return JSON.parse(entry.payload) as DeadLetterPayload;
}
