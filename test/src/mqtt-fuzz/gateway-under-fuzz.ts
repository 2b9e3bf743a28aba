import { connect, type Socket } from 'node:net';

import { Installation, LatencyHistogram, PlatformClient, type DeviceLogin } from '@breakwater/bench';

import { pause, twinOf, until } from '../platform-steps.ts';
import { type FuzzCase, fuzzCase, piecesOfAttack } from './fuzz-case.ts';
import { NeighbourDevice } from './neighbour-device.ts';
import { readRecordings, type Recording } from './recordings.ts';

/** Stands for the token in the recordings of devices, byte for byte. */
const TOKEN_FILLER = /T{20,}/g;
const ATTACKERS = 16;
/** A machine of two cores serves this beside the platform; more would measure the attacker. */
const PACKETS_PER_SECOND = 2_000;
/** More pieces of one attack are put together: each is a system call on both sides. */
const PIECES_MAX = 40;
const ANSWER_WAIT_MS = 20;
const QUIET_MS = 15_000;
const WARM_UP_SHARE = 0.25;
/** A process that collects when it likes holds some garbage; what grows with each attack is beyond this. */
const MEMORY_GROWTH_BYTES_MAX = 64 * 1024 * 1024;
/** So that each attack meets the engine and not the ban of its device or address. */
const WITHOUT_BANS = {
  GATEWAY_FLAPPING_CLOSES_MAX: '0',
  GATEWAY_AUTH_FAILURES_PER_MINUTE_MAX: '0',
  GATEWAY_DEVICE_CONNECTS_PER_MINUTE_MAX: '0',
};

export interface GatewayFuzzReport {
  readonly packets: number;
  readonly connections: number;
  readonly packetsPerSecond: number;
  readonly quietP99Ms: number;
  readonly fuzzP99Ms: number;
  readonly memoryGrowthBytes: number;
  /** What the platform must not do and did. */
  readonly complaints: readonly string[];
}

/** Attacks over sockets on the built platform, with a well-behaved device beside them. */
export async function fuzzGateway(order: { seed: number; packets: number }): Promise<GatewayFuzzReport> {
  const installation = await Installation.start({ env: WITHOUT_BANS });
  try {
    return await attackPlatform(installation, order);
  } finally {
    await installation.stop();
    await installation.remove();
  }
}

async function attackPlatform(
  installation: Installation,
  order: { seed: number; packets: number },
): Promise<GatewayFuzzReport> {
  const platform = new PlatformClient(installation);
  const logins = await platform.registerDevices('hostile', ATTACKERS);
  const [good] = await platform.registerDevices('good', 1);
  if (good === undefined) throw new Error('no device was registered');
  const neighbour = await NeighbourDevice.connect({ port: installation.mqttPort, token: good.token });
  const pidBefore = (await installation.parts()).get('gateway')?.pid;
  const quiet = new LatencyHistogram();
  const loud = new LatencyHistogram();
  // Half of the quiet time before and half after, because the machine may be busier at one end than at the other.
  await neighbour.publishFor(QUIET_MS / 2, quiet);
  const attack = new Attack({ ...order, port: installation.mqttPort, logins });
  const startedAt = performance.now();
  const attacking = attack.run();
  let warmBytes = 0;
  await neighbour.publishUntil(async () => {
    if (warmBytes === 0 && attack.sent > order.packets * WARM_UP_SHARE) warmBytes = await heldBytes(installation);
    return attack.isOver;
  }, loud);
  await attacking;
  const packetsPerSecond = (attack.sent / (performance.now() - startedAt)) * 1_000;
  await neighbour.publishFor(QUIET_MS / 2, quiet);
  const memoryGrowthBytes = (await heldBytes(installation)) - warmBytes;

  const complaints: string[] = [...attack.complaints];
  if ((await installation.parts()).get('gateway')?.pid !== pidBefore) complaints.push('the gateway was started again');
  await until('only the neighbour to be connected', async () => (await metric(installation, CONNECTIONS)) === 1);
  await until('the newest value of the neighbour in its twin', async () => {
    return (await twinOf(platform, good.id)).telemetry['seq']?.value === neighbour.lastAcknowledged;
  });
  if (neighbour.disconnects > 0) complaints.push(`the neighbour lost its connection ${neighbour.disconnects} times`);
  if (memoryGrowthBytes > MEMORY_GROWTH_BYTES_MAX) complaints.push(`the gateway grew by ${memoryGrowthBytes} bytes`);
  neighbour.close();
  const p99 = { quietP99Ms: quiet.quantile(0.99), fuzzP99Ms: loud.quantile(0.99) };
  return {
    packets: attack.sent,
    connections: attack.connections,
    packetsPerSecond,
    ...p99,
    memoryGrowthBytes,
    complaints,
  };
}

const CONNECTIONS = 'breakwater_mqtt_connections';
const HEAP = 'nodejs_heap_size_used_bytes';
const EXTERNAL = 'nodejs_external_memory_bytes';

async function heldBytes(installation: Installation): Promise<number> {
  return (await metric(installation, HEAP)) + (await metric(installation, EXTERNAL));
}

async function metric(installation: Installation, name: string): Promise<number> {
  const port = (await installation.parts()).get('gateway')?.ports['metrics'];
  const page = await (await fetch(`http://127.0.0.1:${String(port)}/metrics`)).text();
  const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(page)?.[1];
  if (value === undefined) throw new Error(`the gateway has no metric ${name}`);
  return Number(value);
}

/** Attackers that open one connection after the other, all together at a steady rate of packets. */
class Attack {
  sent = 0;
  connections = 0;
  isOver = false;
  readonly complaints: string[] = [];
  readonly #options: { seed: number; packets: number; port: number; logins: readonly DeviceLogin[] };
  readonly #startedAt = performance.now();
  #nextCase = 0;

  constructor(options: { seed: number; packets: number; port: number; logins: readonly DeviceLogin[] }) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const recordings = readRecordings();
    try {
      await Promise.all(this.#options.logins.map((login) => this.#attackAs(login, withToken(recordings, login.token))));
    } finally {
      this.isOver = true;
    }
  }

  async #attackAs(login: DeviceLogin, recordings: readonly Recording[]): Promise<void> {
    while (this.sent < this.#options.packets) {
      const number = this.#nextCase++;
      const attack = fuzzCase(recordings, this.#options.seed, number, { clientId: '', username: login.token });
      this.sent += attack.attack.length;
      this.connections += 1;
      await this.#deliver(attack, number);
      const dueMs = (this.sent / PACKETS_PER_SECOND) * 1_000 - (performance.now() - this.#startedAt);
      if (dueMs > 0) await pause(dueMs);
    }
  }

  async #deliver(attack: FuzzCase, number: number): Promise<void> {
    const socket = connect({ host: '127.0.0.1', port: this.#options.port, noDelay: true });
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') this.complaints.push(`nobody listens at case ${number}: ${describe(attack)}`);
    });
    socket.resume();
    send(socket, attack.opening);
    if (!attack.isHasty) await Promise.race([answered(socket), closed, pause(ANSWER_WAIT_MS)]);
    send(socket, merged([...piecesOfAttack(attack)]));
    await Promise.race([closed, pause(ANSWER_WAIT_MS)]);
    socket.destroy();
    await closed;
  }
}

function send(socket: Socket, pieces: readonly Buffer[]): void {
  for (const bytes of pieces) if (!socket.destroyed) socket.write(bytes);
}

function merged(pieces: readonly Buffer[]): readonly Buffer[] {
  return pieces.length <= PIECES_MAX
    ? pieces
    : [...pieces.slice(0, PIECES_MAX), Buffer.concat(pieces.slice(PIECES_MAX))];
}

function answered(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('data', () => resolve()));
}

function withToken(recordings: readonly Recording[], token: string): readonly Recording[] {
  return recordings.map((recording) => ({
    ...recording,
    packets: recording.packets.map((bytes) =>
      Buffer.from(
        bytes.toString('latin1').replace(TOKEN_FILLER, (filler) => (filler.length === token.length ? token : filler)),
        'latin1',
      ),
    ),
  }));
}

function describe({ opening, attack }: FuzzCase): string {
  return `${Buffer.concat(opening).toString('hex')} ${Buffer.concat(attack).toString('hex')}`;
}
