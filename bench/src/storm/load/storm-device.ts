import { connect, type Socket } from 'node:net';

import { generate } from 'mqtt-packet';

import type { DeviceLogin } from '../../simulated-device.ts';
import { ANSWERS, AnswerReader } from './answer-reader.ts';
import { type EventPackets, packetIdOf } from './event-packets.ts';
import { FIRST_SEQ } from './event-values.ts';
import type { RateSchedule } from './rate-schedule.ts';

/** What the gateway names as its Receive Maximum: MQTT 3.1.1 has no word for it, and a good device keeps to it. */
const IN_FLIGHT_MAX = 32;
const KEEPALIVE_SECONDS = 60;
const PING_AFTER_MS = (KEEPALIVE_SECONDS * 1000) / 2;
const RECONNECT_MS_MIN = 200;
const RECONNECT_MS_MAX = 5_000;
const PINGREQ = Buffer.from([0xc0, 0]);
const DISCONNECT = Buffer.from([0xe0, 0]);
const READ_BYTES = 64 * 1024;
/** One for all sockets: what is read is used up before the next read begins. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

/** What all devices of a load share. */
export interface StormDeviceContext {
  readonly host: string;
  readonly port: number;
  readonly schedule: RateSchedule;
  readonly packets: EventPackets;
  /** Of a load with many connections: each address has ports of its own. */
  sourceAddress(): string | undefined;
  connected(): void;
  /** @param isOwn the device cut its connection itself */
  lost(isOwn: boolean): void;
  /** A connection ended before it was accepted. */
  connectFailed(): void;
  acknowledged(event: number): void;
  /** False once nothing new is sent any more, only what was sent before and lost its answer. */
  isOffering(): boolean;
  /** A PUBACK for another event than the oldest one without an answer. */
  disordered(): void;
}

/**
 * A device of a storm: QoS 1 telemetry over MQTT 3.1.1 from a raw socket. It is two counters: PUBACKs come in the order
 * of the events, so all events below `acknowledged` are acknowledged, and all below `sent` were sent at least once.
 * What is not acknowledged is sent again after a reconnect, the same to the byte but for its DUP.
 */
export class StormDevice {
  readonly id: string;
  readonly #token: string;
  readonly #index: number;
  readonly #context: StormDeviceContext;
  readonly #answers = new AnswerReader();
  #socket: Socket | null = null;
  #isReady = false;
  #isClosed = false;
  #isCut = false;
  /** After a reconnect events up to here are repeated. */
  #repeatedUntil = 0;
  #next = 0;
  #sent = 0;
  #acknowledged = 0;
  #lastWriteMs = 0;
  #reconnectMs = RECONNECT_MS_MIN;

  constructor(login: DeviceLogin, index: number, context: StormDeviceContext) {
    this.id = login.id;
    this.#token = login.token;
    this.#index = index;
    this.#context = context;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get sent(): number {
    return this.#sent;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  open(): void {
    const { host, port } = this.#context;
    const localAddress = this.#context.sourceAddress();
    const socket: Socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
      onread: { buffer: READ_BUFFER, callback: (count, bytes): boolean => this.#read(socket, bytes, count) },
    });
    this.#socket = socket;
    socket.on('connect', () => socket.write(this.#connectPacket()));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#ended(socket));
  }

  /** Sends what is due and may be on the way, in one piece; what may not keeps its place and its due time. */
  send(dueEvents: number, nowMs: number): void {
    if (!this.#isReady || this.#socket === null) return;
    const { schedule, packets } = this.#context;
    const due = this.#context.isOffering() ? schedule.eventsOf(this.#index, dueEvents) : this.#sent;
    const end = Math.min(due, this.#acknowledged + IN_FLIGHT_MAX);
    if (this.#next >= end) return;
    for (; this.#next < end; this.#next += 1) {
      const dueAtMs = schedule.dueAtMs(schedule.eventOf(this.#index, this.#next));
      packets.add(FIRST_SEQ + this.#next, dueAtMs, this.#next < this.#repeatedUntil);
    }
    if (this.#next > this.#sent) this.#sent = this.#next;
    this.#lastWriteMs = nowMs;
    this.#socket.write(packets.take());
  }

  /** A device that has had nothing to say for long says so, or its connection would be closed. */
  ping(nowMs: number): void {
    if (!this.#isReady || nowMs - this.#lastWriteMs < PING_AFTER_MS) return;
    this.#lastWriteMs = nowMs;
    this.#socket?.write(PINGREQ);
  }

  /** The connection is gone without a DISCONNECT, as when a radio cell fails; the device tries again after a while. */
  cut(openAgainAfterMs: number): void {
    this.#isCut = true;
    this.#reconnectMs = openAgainAfterMs;
    this.#socket?.destroy();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    const socket = this.#socket;
    if (socket === null) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      socket.end(DISCONNECT);
    });
  }

  #connectPacket(): Buffer {
    return generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId: this.id,
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      username: this.#token,
    });
  }

  #read(socket: Socket, bytes: Uint8Array, count: number): boolean {
    if (socket !== this.#socket) return true;
    const before = this.#acknowledged;
    this.#answers.read(bytes, count, (type, value) => {
      if (type === ANSWERS.puback) this.#heardPuback(value);
      else if (type === ANSWERS.connack) this.#heardConnack(value & 0xff);
    });
    // Only where events had to wait for answers: anything else that is due leaves with the next tick, in one piece.
    if (this.#acknowledged > before && this.#next - before >= IN_FLIGHT_MAX) {
      const nowMs = Date.now();
      this.send(this.#context.schedule.dueBy(nowMs), nowMs);
    }
    return true;
  }

  #heardPuback(packetId: number): void {
    if (this.#acknowledged >= this.#next || packetIdOf(FIRST_SEQ + this.#acknowledged) !== packetId) {
      this.#context.disordered();
      return;
    }
    const event = this.#context.schedule.eventOf(this.#index, this.#acknowledged);
    this.#acknowledged += 1;
    this.#context.acknowledged(event);
  }

  #heardConnack(returnCode: number): void {
    if (returnCode !== 0) {
      this.#socket?.destroy();
      return;
    }
    this.#isReady = true;
    this.#reconnectMs = RECONNECT_MS_MIN;
    this.#repeatedUntil = this.#sent;
    this.#next = this.#acknowledged;
    this.#context.connected();
    const nowMs = Date.now();
    this.#lastWriteMs = nowMs;
    this.send(this.#context.schedule.dueBy(nowMs), nowMs);
  }

  #ended(socket: Socket): void {
    if (socket !== this.#socket) return;
    const isOwn = this.#isCut;
    const wasReady = this.#isReady;
    this.#isReady = false;
    this.#isCut = false;
    this.#socket = null;
    if (this.#isClosed) return;
    if (wasReady) this.#context.lost(isOwn);
    else if (!isOwn) this.#context.connectFailed();
    const waitMs = isOwn ? this.#reconnectMs : this.#reconnectMs * (0.5 + Math.random());
    this.#reconnectMs = isOwn ? RECONNECT_MS_MIN : Math.min(this.#reconnectMs * 2, RECONNECT_MS_MAX);
    setTimeout(() => {
      if (!this.#isClosed) this.open();
    }, waitMs);
  }
}
