import { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import { hostilePacket, pick, plainPacket } from './hostile-packets.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { acknowledgement, connect, packet, PacketType, publish, subscribe } from './packet-builder.ts';
import { property, PropertyId, uint32 } from './packet-builder.ts';
import type { Recording, Version } from './recordings.ts';

/** What one connection sends. It follows from the seed and its number alone, so both of them repeat it. */
export interface FuzzCase {
  readonly version: Version;
  /** Good packets that bring the connection into the state in which it is attacked. */
  readonly opening: readonly Buffer[];
  /** The answers to the opening are not waited for. */
  readonly isHasty: boolean;
  readonly attack: readonly Buffer[];
  /** How the attack is cut: bytes of each piece in turn, again from the first after the last. */
  readonly pieces: readonly number[];
}

/** Its recipe, for whoever must open the connections in another way: the token goes into `username`. */
export interface FuzzLogin {
  readonly clientId: string;
  readonly username: string;
}

const PACKETS_MAX = 8;
const VERSIONS = [3, 4, 5] as const;
/** Beyond any packet: the attack comes in one piece. */
const WHOLE = 1 << 24;
const SEED_STEP = 0x9e3779b1;
const BYTE_BY_BYTE_MAX = 4_096;

export function fuzzCase(recordings: readonly Recording[], seed: number, number: number, login: FuzzLogin): FuzzCase {
  const random = new SeededRandom(Math.imul(seed, SEED_STEP) ^ number);
  const chance = random.next();
  if (chance < 0.5) return fromRecording(pick(random, recordings), random);
  const version = pick(random, VERSIONS);
  const opening = pick(random, OPENINGS)(version, login);
  const count = 1 + random.below(PACKETS_MAX);
  const attack =
    chance < 0.85
      ? Array.from({ length: count }, () => hostilePacket(random, version))
      : Array.from({ length: count }, () => plainPacket(random.below(16), version, random.below(4)));
  return { version, opening, isHasty: random.chance(0.2), attack, pieces: piecesOf(attack, random) };
}

/** Some packets in a row, one or two of them changed, sometimes one from elsewhere among them. */
function fromRecording(recording: Recording, random: SeededRandom): FuzzCase {
  const from = random.chance(0.3) ? 0 : random.below(recording.packets.length);
  const attack = recording.packets.slice(from, from + 1 + random.below(PACKETS_MAX));
  for (let changes = random.below(3); changes >= 0; changes -= 1) {
    const at = random.below(attack.length);
    attack[at] = mutateBytes(attack[at] as Buffer, random);
  }
  if (random.chance(0.1)) attack.reverse();
  const [first] = recording.packets;
  const opening = from === 0 || first === undefined ? [] : [first];
  const isHasty = random.chance(0.2);
  return { version: recording.version, opening, isHasty, attack, pieces: piecesOf(attack, random) };
}

/** The states of a connection in which every packet may come. */
const OPENINGS: readonly ((version: Version, login: FuzzLogin) => readonly Buffer[])[] = [
  () => [],
  (version, login) => [connect(version, login)],
  (version, login) => [keptConnect(version, login)],
  (version, login) => [keptConnect(version, login), subscribe(version, 1, ['v1/devices/me/#'])],
  // QoS 2 halfway in.
  (version, login) => [connect(version, login), ...[1, 2, 3].map((id) => qos2(version, id))],
  (version, login) => [connect(version, login), qos2(version, 1), acknowledgement(PacketType.pubrel, 1)],
  (version, login) => [connect(version, login), packet(0xe0)],
];

function keptConnect(version: Version, login: FuzzLogin): Buffer {
  return connect(version, { ...login, isClean: false, properties: [property(PropertyId.sessionExpiry, uint32(60))] });
}

function qos2(version: Version, packetId: number): Buffer {
  return publish(version, { topic: 'v1/devices/me/telemetry', qos: 2, packetId, payload: Buffer.from('{"a":1}') });
}

function piecesOf(attack: readonly Buffer[], random: SeededRandom): readonly number[] {
  const bytes = attack.reduce((sum, { length }) => sum + length, 0);
  switch (random.below(4)) {
    case 0:
      return [WHOLE];
    case 1:
      return attack.map(({ length }) => Math.max(1, length));
    case 2:
      return [1 + random.below(Math.max(1, bytes)), WHOLE];
    default:
      return bytes <= BYTE_BY_BYTE_MAX ? [1 + random.below(3)] : [1_000 + random.below(60_000)];
  }
}

/** The attack, cut as it says. */
export function* piecesOfAttack({ attack, pieces }: FuzzCase): Iterable<Buffer> {
  const bytes = Buffer.concat(attack);
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const end = at + (pieces[turn % pieces.length] as number);
    yield bytes.subarray(at, end);
    at = end;
  }
}
