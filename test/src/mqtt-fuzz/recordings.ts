import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { suiteFile } from '../mqtt-harness/suites/suite-programs.ts';

export type Version = 3 | 4 | 5;

/** What one client sent over one connection, packet by packet; the first one is its CONNECT. */
export interface Recording {
  readonly client: string;
  readonly version: Version;
  readonly packets: readonly Buffer[];
}

const EXTENSION = '.hex';

/** The recordings of `test/mqtt/recordings`: a file for each client, a line of hexadecimal for each connection. */
export function readRecordings(): Recording[] {
  const folder = suiteFile('recordings');
  const files = readdirSync(folder).filter((name) => name.endsWith(EXTENSION));
  return files.sort().flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => recordingOf(name.slice(0, -EXTENSION.length), Buffer.from(line, 'hex'))),
  );
}

export function recordingOf(client: string, bytes: Buffer): Recording {
  const packets = splitPackets(bytes);
  const connect = packets[0];
  if (connect === undefined || connect[0] !== 0x10) throw new Error(`${client}: no CONNECT comes first`);
  const nameAt = bodyStart(connect) + 2;
  const version = connect[nameAt + connect.readUInt16BE(nameAt - 2)];
  if (version !== 3 && version !== 4 && version !== 5) throw new Error(`${client}: version ${String(version)}`);
  return { client, version, packets };
}

/** Whole packets only: what a client had not finished when it was cut off is left out. */
export function splitPackets(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = packetEnd(bytes, at);
    if (end === null || end > bytes.length) break;
    packets.push(bytes.subarray(at, end));
    at = end;
  }
  return packets;
}

/** Where the body begins, behind the first byte and the length. */
export function bodyStart(packet: Buffer): number {
  let at = 1;
  while (at < 4 && (packet[at] ?? 0) >= 0x80) at += 1;
  return at + 1;
}

function packetEnd(bytes: Buffer, start: number): number | null {
  let length = 0;
  for (let at = 1; at <= 4; at += 1) {
    const byte = bytes[start + at];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** (at - 1);
    if (byte < 0x80) return start + at + 1 + length;
  }
  return null;
}
