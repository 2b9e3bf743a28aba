import { tenantOf } from '../cut/tenant-counter.ts';

/** What is known of a refused line: the writer itself put its place in front. */
export interface RefusedPlace {
  readonly partition: number;
  readonly offset: number;
  readonly kind: string;
  /** Empty when the line names none. */
  readonly tenant: string;
}

const HEAD_BYTES = 1_024;
const PLACE_PATTERN = /^\{"e":\d+,"lid":"[^"]*","pt":(\d+),"o":(\d+),/;
const DETAIL = 'ClickHouse cannot read this record; the payload is its line';

export function placeOfLine(line: Buffer): RefusedPlace {
  const head = line.toString('latin1', 0, HEAD_BYTES);
  const [, partition, offset] = PLACE_PATTERN.exec(head) ?? [];
  const kind = /"k":"([a-zA-Z]+)"/.exec(head)?.[1] ?? '';
  return { partition: Number(partition), offset: Number(offset), kind, tenant: tenantOf(head) };
}

/** The dead letter that takes the place of a line: same log position, so it is as much there once as the line was. */
export function deadLetterOfLine(line: Buffer, day: number): string {
  const head = line.toString('latin1', 0, HEAD_BYTES);
  const field = (pattern: RegExp) => pattern.exec(head)?.[1] ?? '';
  const place = PLACE_PATTERN.exec(head)?.[0] ?? '{';
  const receivedAt = field(/"ra":(\d{1,15})[,}]/) || String(day * 86_400_000);
  const who = `"k":"deadLetter","tenant":"${tenantOf(head)}"`;
  const device = `"device":"${field(/"device":"([A-Za-z0-9_.:~-]+)"/)}"`;
  const data = {
    code: 'INSERT_REFUSED',
    detail: DETAIL,
    topic: '',
    payloadBase64: line.toString('base64'),
    sender: 'telemetry-writer',
  };
  return `${place}${who},${device},"id":"","ra":${receivedAt},"data":${JSON.stringify(data)}}`;
}
