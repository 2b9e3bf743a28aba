import {
  deviceKey,
  type DeviceId,
  type DeviceKey,
  type Incarnation,
  type JsonObject,
  type JsonValue,
  type SessionEpoch,
  type TelemetryPoint,
  type TwinCommand,
  type TenantId,
  type TwinMessage,
} from '@breakwater/twin';

import { ownBytes } from './own-bytes.ts';

/**
 * A record is one line of JSON. The line has two readers that never meet: the twin's shard, which parses it, and
 * ClickHouse, which is handed the line as JSONEachRow by a writer that looks at its first characters only. That is why
 * the keys stand in a fixed order (`v`, `k`, `day` first) and why the values of a point are sorted by type into `n`
 * (numbers), `s` (strings), `b` (booleans) and `j` (other JSON, as text): each is one ClickHouse Map.
 */
export const RECORD_VERSION = 1;

const DAY_MS = 86_400_000;
/** The `day` of a record whose points lie on several days (UTC); the writer then parses it and cuts it by day. */
export const DAY_MIXED = -1;

export interface RecordHeader {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  /** 0 for records that do not come from a session. */
  readonly sessionEpoch: SessionEpoch;
  /** 0 where there is none. */
  readonly packetId: number;
  /** CRC-32 of topic and payload as received; with the packet id it recognises a resend. 0 where there is none. */
  readonly digest: number;
  /** The device's own id of the message, or ''. */
  readonly messageId: string;
  /** When the gateway, or the API, took it; Unix ms. */
  readonly receivedAtMs: number;
  /** W3C traceparent, or ''. */
  readonly traceparent: string;
}

/** What a dead letter keeps of a message that could not be used. */
export interface DeadLetterData {
  readonly code: string;
  readonly detail: string;
  readonly topic: string;
  /** The payload as received, base64. */
  readonly payloadBase64: string;
  readonly sender: string;
}

/** A command as it was after one change: what its history is made of. */
export interface CommandHistoryData {
  readonly tsMs: number;
  readonly command: TwinCommand;
}

export type RecordMessage =
  | Exclude<TwinMessage, { kind: 'deadLetter' | 'commandRecorded' }>
  | ({ kind: 'deadLetter' } & DeadLetterData)
  | ({ kind: 'commandRecorded' } & CommandHistoryData);

export interface WireRecord extends RecordHeader {
  readonly message: RecordMessage;
}

/** A point as it stands in a record line. Empty groups are left out. `m` is 1 where the gateway corrected the time. */
export interface PointLine {
  readonly ts: number;
  readonly n?: Readonly<Record<string, number>>;
  readonly s?: Readonly<Record<string, string>>;
  readonly b?: Readonly<Record<string, boolean>>;
  readonly j?: Readonly<Record<string, string>>;
  readonly m?: 1;
}

/** Raised for a line that this build must not touch: consumers are upgraded before producers. */
export class UnknownRecordVersion extends Error {
  override readonly name = 'UnknownRecordVersion';
  readonly code = 'RECORD_VERSION_UNKNOWN';
}

export function encodeRecord(record: WireRecord): string {
  const { kind, ...data } = record.message;
  const day = dayOfMessage(record.message, record.receivedAtMs);
  const head =
    `${lineHead({ kind, day }, record)}${record.packetId},"dg":${record.digest},` +
    `"id":${JSON.stringify(record.messageId)},"ra":${record.receivedAtMs},"tp":${JSON.stringify(record.traceparent)}`;
  if (record.message.kind === 'telemetry') {
    return `${head},"p":[${record.message.points.map(encodePoint).join(',')}]}`;
  }
  return `${head},"data":${JSON.stringify(data)}}`;
}

/** What is the same in every telemetry line of one session and day, and kept for as long: all before its packet id. */
export function telemetryLineHead(day: number, sender: LineHeadSender): Buffer {
  return ownBytes(lineHead({ kind: 'telemetry', day }, sender));
}

export type LineHeadSender = Pick<RecordHeader, 'tenant' | 'device' | 'incarnation' | 'sessionEpoch'>;

function lineHead({ kind, day }: LinePrefix, { tenant, device, incarnation, sessionEpoch }: LineHeadSender): string {
  return (
    `{"v":${RECORD_VERSION},"k":"${kind}","day":${day},"tenant":"${tenant}","device":"${device}",` +
    `"inc":${incarnation},"se":${sessionEpoch},"pid":`
  );
}

/** @throws UnknownRecordVersion; SyntaxError when the line is no JSON. */
export function decodeRecord(line: string): WireRecord {
  const parsed = JSON.parse(line) as ParsedLine;
  if (parsed.v !== RECORD_VERSION) throw new UnknownRecordVersion(`record version ${String(parsed.v)} is not known`);
  return {
    tenant: parsed.tenant,
    device: parsed.device,
    incarnation: parsed.inc,
    sessionEpoch: parsed.se,
    packetId: parsed.pid,
    digest: parsed.dg,
    messageId: parsed.id,
    receivedAtMs: parsed.ra,
    traceparent: parsed.tp,
    message:
      parsed.k === 'telemetry'
        ? { kind: 'telemetry', points: (parsed.p ?? []).map(decodePoint) }
        : ({ ...parsed.data, kind: parsed.k } as RecordMessage),
  };
}

export function keyOfRecord(record: RecordHeader): DeviceKey {
  return deviceKey(record.tenant, record.device);
}

export interface LinePrefix {
  readonly kind: RecordMessage['kind'];
  /** Days since 1970 (UTC), or `DAY_MIXED`. */
  readonly day: number;
}

const PREFIX_PATTERN = /^\{"v":1,"k":"([a-zA-Z]+)","day":(-?\d+),/;

/** Reads the first characters of a line, at a small part of the price of parsing it. */
export function peekLine(head: string): LinePrefix {
  const match = PREFIX_PATTERN.exec(head);
  if (match === null) throw new UnknownRecordVersion(`a record line starts with ${head.slice(0, 24)}`);
  return { kind: match[1] as LinePrefix['kind'], day: Number(match[2]) };
}

/** The groups of one point, by type of value. */
function encodePoint(point: TelemetryPoint): string {
  let numbers = '';
  let strings = '';
  let booleans = '';
  let others = '';
  for (const [key, value] of point.values) {
    const name = `"${key}":`;
    if (typeof value === 'number') numbers += `${numbers && ','}${name}${value}`;
    else if (typeof value === 'string') strings += `${strings && ','}${name}${JSON.stringify(value)}`;
    else if (typeof value === 'boolean') booleans += `${booleans && ','}${name}${value}`;
    else others += `${others && ','}${name}${JSON.stringify(JSON.stringify(value))}`;
  }
  const groups =
    (numbers && `,"n":{${numbers}}`) +
    (strings && `,"s":{${strings}}`) +
    (booleans && `,"b":{${booleans}}`) +
    (others && `,"j":{${others}}`);
  return `{"ts":${point.tsMs}${point.marked === true ? ',"m":1' : ''}${groups}}`;
}

function decodePoint(line: PointLine): TelemetryPoint {
  const values = new Map<string, JsonValue>();
  for (const group of [line.n, line.s, line.b]) {
    if (group !== undefined) for (const key of Object.keys(group)) values.set(key, group[key] as JsonValue);
  }
  if (line.j !== undefined) {
    for (const key of Object.keys(line.j)) values.set(key, JSON.parse(line.j[key] as string) as JsonValue);
  }
  return { tsMs: line.ts, values, ...(line.m === 1 ? { marked: true as const } : {}) };
}

interface ParsedLine {
  readonly v: number;
  readonly k: RecordMessage['kind'];
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly inc: Incarnation;
  readonly se: SessionEpoch;
  readonly pid: number;
  readonly dg: number;
  readonly id: string;
  readonly ra: number;
  readonly tp: string;
  readonly p?: readonly PointLine[];
  readonly data?: JsonObject;
}

function dayOfMessage(message: RecordMessage, receivedAtMs: number): number {
  if (message.kind === 'telemetry') {
    let day: number | null = null;
    for (const point of message.points) {
      const pointDay = Math.floor(point.tsMs / DAY_MS);
      if (day !== null && day !== pointDay) return DAY_MIXED;
      day = pointDay;
    }
    return day ?? Math.floor(receivedAtMs / DAY_MS);
  }
  return Math.floor((message.kind === 'event' ? message.tsMs : receivedAtMs) / DAY_MS);
}
