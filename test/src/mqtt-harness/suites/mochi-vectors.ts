import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type CloseReason, createMqttEndpoint, type Transport } from '@breakwater/mqtt-endpoint';

import { FanOutHost } from '../fan-out-host.ts';
import { HARNESS_LIMITS } from '../harness-server.ts';
import { prepare, provideGo } from './outside-programs.ts';
import { runOrThrow, suiteFile, suiteFolder, type SuiteOutcome } from './suite-programs.ts';

const MODULE = 'github.com/mochi-mqtt/server/v2@v2.7.9';
const VECTORS = 179;
const GO_TIMEOUT_MS = 300_000;
const PROTOCOL_ERROR = 0x82;
const CONNECT = 'Connect';
/** Cases whose error cannot be seen by who reads the bytes, each with its reason. */
const NOT_ON_THE_WIRE: ReadonlyMap<string, string> = new Map([
  ['Publish 82', 'what a server may not send to its client'],
  ['Publish 83', 'QoS 0 has no room for a packet id'],
  ['Pubrec 104', 'with its right length it is a good PUBREC of four bytes'],
  ['Publish 89', 'its encoder leaves an alias of 0 out'],
  ['Publish 90', 'it is within our limit of aliases'],
  ['Subscribe 134', 'its encoder leaves an identifier of that size out'],
  ['Disconnect 172', 'with its right length it is a good DISCONNECT without a reason code'],
  ['Connack 58', 'what a server may not send to its client'],
  ['Connack 59', 'what a server may not send to its client'],
]);
/** AUTH nobody sends here, the others only a server; so the answer is about that and not about what is wrong inside. */
const SERVER_PACKETS: ReadonlySet<string> = new Set(['Connack', 'Suback', 'Unsuback', 'Pingresp', 'Auth']);

/**
 * Where the standard has a nearer code than mochi's, or leaves the choice between "malformed" and "protocol error". A
 * CONNECT before version 5 has no answer for either: its code is what the observer of the engine is told.
 */
const OTHER_CODES: ReadonlyMap<string, number> = new Map([
  ...codesOf(0x81, 'Connect', [11, 17, 20, 24, 25, 28, 29, 30, 33, 35, 36, 37]),
  ...codesOf(0x84, 'Connect', [21, 22]),
  ...codesOf(0x85, 'Connect', [23, 26, 27, 32]),
  ...codesOf(0x90, 'Connect', [31]),
  ...codesOf(0x81, 'Publish', [85]),
  ...codesOf(0x90, 'Publish', [86, 87]),
  ...codesOf(0x81, 'Pubrec', [105]),
  ...codesOf(0x81, 'Pubrel', [111]),
  ...codesOf(0x81, 'Pubcomp', [117]),
]);
/** Good packets for which this endpoint has another answer than mochi, on the connection as it is here. */
const GOOD_AND_REFUSED: ReadonlyMap<string, number> = new Map([
  // Enhanced authentication, and subscription identifiers, which are not offered.
  ['Connect 2', 0x8c],
  ['Subscribe 120', 0xa1],
  // A Subscription Identifier in PUBLISH is for servers to send, and so are these reasons of DISCONNECT.
  ...codesOf(0x81, 'Publish', [64, 72]),
  ...codesOf(0x82, 'Disconnect', [164, 170]),
  // The alias was never set, and the session never had an expiry.
  ['Publish 62', 0x82],
  ...codesOf(0x82, 'Disconnect', [165, 166]),
  // DUP with QoS 0: closed before version 5, without a code.
  ['Publish 75', 0x81],
]);

function codesOf(code: number, packet: string, cases: readonly number[]): [string, number][] {
  return cases.map((number) => [`${packet} ${number}`, code]);
}

export interface Vector {
  readonly packet: string;
  readonly case: number;
  readonly name: string;
  readonly group: string;
  /** In hexadecimal; empty when even the encoder of mochi refuses to build the packet. */
  readonly bytes: string;
  readonly version: number;
  /** The MQTT 5 reason code of the error that mochi expects, -1 for none. */
  readonly code: number;
}

/** How the engine ended a connection; `code` is what it told the client, or the observer about a refused CONNECT. */
type Ending = { readonly reason: CloseReason; readonly code: number | null } | null;

/** Runs the packet cases of the Go module mochi-mqtt, which are read from the module itself, against the engine. */
export async function runMochiVectors(): Promise<SuiteOutcome> {
  const vectors = await readVectors();
  const failed = vectors.length === VECTORS ? [] : [`${VECTORS} vectors were expected, ${vectors.length} came`];
  for (const vector of vectors) {
    const complaint = await judge(vector);
    if (complaint !== null) failed.push(`${vector.packet} ${vector.case} (${vector.name}): ${complaint}`);
  }
  return { passed: vectors.length - failed.length, failed };
}

async function readVectors(): Promise<Vector[]> {
  const go = await provideGo();
  const folder = suiteFolder('mochi');
  const run = { cwd: folder, timeoutMs: GO_TIMEOUT_MS };
  copyFileSync(suiteFile('mochi-vectors/main.go'), join(folder, 'main.go'));
  writeFileSync(join(folder, 'go.mod'), 'module vectors\n\ngo 1.21\n');
  await prepare(go, ['get', MODULE], run);
  const output = await runOrThrow(go, ['run', '.'], run);
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Vector);
}

/** Null when the engine did what it should. */
async function judge(vector: Vector): Promise<string | null> {
  const bytes = Buffer.from(vector.bytes, 'hex');
  const expectsError = vector.code > 0;
  const ending = await feed(vector, expectsError && vector.group !== 'nodecode' ? reframed(bytes) : bytes);
  const id = `${vector.packet} ${vector.case}`;
  if (NOT_ON_THE_WIRE.has(id) || bytes.length === 0) return null;
  if (SERVER_PACKETS.has(vector.packet)) return complaintAbout(ending, vector, PROTOCOL_ERROR);
  if (expectsError) return complaintAbout(ending, vector, OTHER_CODES.get(id) ?? vector.code);
  const refusal = GOOD_AND_REFUSED.get(id);
  if (refusal !== undefined) return complaintAbout(ending, vector, refusal);
  return ending === null || ending.reason === 'clientDisconnected'
    ? null
    : `a good packet ended as ${describe(ending)}`;
}

/** The connection must have ended, for breaking the protocol, and with this code where there is one to tell. */
function complaintAbout(ending: Ending, { packet, version }: Vector, code: number): string | null {
  if (ending === null) return `expected the reason ${code}, and nothing happened`;
  if (ending.reason !== 'protocolError') return `expected the reason ${code}, and it ended as ${describe(ending)}`;
  const isTold = version === 5 || packet === CONNECT;
  return ending.code === (isTold ? code : null) ? null : `expected the reason ${code}, got ${describe(ending)}`;
}

function describe({ reason, code }: NonNullable<Ending>): string {
  return `${reason} ${code ?? 'without a code'}`;
}

/** The cases are read by a decoder that trusts its caller for the length; on the wire the length must be right. */
function reframed(bytes: Buffer): Buffer {
  let bodyAt = 1;
  while (bodyAt < Math.min(bytes.length, 4) && (bytes[bodyAt] as number) >= 0x80) bodyAt += 1;
  const body = bytes.subarray(bodyAt + 1);
  const length: number[] = [];
  for (let left = body.length; length.length === 0 || left > 0; left = Math.floor(left / 128)) {
    length.push(left >= 128 ? (left % 128) | 0x80 : left);
  }
  return Buffer.concat([bytes.subarray(0, 1), Buffer.from(length), body]);
}

async function feed(vector: Vector, bytes: Buffer): Promise<Ending> {
  let ending: Ending = null;
  let refusal: number | null = null;
  const failures: unknown[] = [];
  const transport: Transport = {
    remoteAddress: '127.0.0.1',
    write: () => true,
    bytesQueued: () => 0,
    pause: () => undefined,
    resume: () => undefined,
    end: () => undefined,
    destroy: () => undefined,
  };
  const now = (): number => 0;
  const endpoint = createMqttEndpoint({
    host: new FanOutHost({ now, detached: () => [] }),
    limits: HARNESS_LIMITS,
    now,
    observer: {
      connectRefused: (code) => (refusal = code),
      connectionClosed: (reason, code) => (ending = { reason, code: refusal ?? code }),
      hostFailed: (_operation, error) => failures.push(error),
    },
  });
  const connection = endpoint.accept(transport);
  if (vector.packet !== CONNECT) {
    connection.receive(connectOf(vector.version === 5 ? 5 : 4));
    await settled();
  }
  connection.receive(bytes);
  await settled();
  if (failures.length > 0) throw failures[0];
  return ending;
}

function connectOf(version: 4 | 5): Buffer {
  const tail = [2, 0, 60, ...(version === 5 ? [0] : []), 0, 6, ...Buffer.from('vector')];
  return Buffer.from([0x10, 7 + tail.length, 0, 4, ...Buffer.from('MQTT'), version, ...tail]);
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
}
