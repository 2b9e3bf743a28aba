import { agreeKeepalive, encodeRefused } from './connack.ts';
import { type ConnectRefusal, type ConnectRequest, readConnect, SESSION_EXPIRY_NEVER } from './connect-request.ts';
import { ConnectionOutput } from '../outbound/connection-output.ts';
import type { DeviceSession } from '../sessions/device-session.ts';
import type { Authentication, CloseReason, Transport, WillMessage } from '../endpoint-host.ts';
import type { EngineContext } from '../engine-context.ts';
import {
  GATHER_MS,
  GATHERED_MESSAGES_MAX,
  HELD_BYTES_MAX,
  KEEPALIVE_GRACE,
  PACKET_TIMEOUT_MS,
  PACKETS_PER_TURN_MAX,
  SLOW_READER_TIMEOUT_MS,
} from '../engine-limits.ts';
import { encodeDisconnect } from '../wire/packet-encoder.ts';
import { PacketFramer } from '../wire/packet-framer.ts';
import { type KnownTopic, readPublishAgain } from '../wire/known-topics.ts';
import { NO_USER_PROPERTIES } from '../wire/packet-layout.ts';
import { readPlainPublish } from '../wire/plain-publish.ts';
import { ProtocolFault } from '../wire/protocol-fault.ts';
import { ReadingGate, StopReason } from '../inbound/reading-gate.ts';
import type { SharedPublishRate } from '../inbound/shared-publish-rate.ts';
import { closeReasonCodes, ReasonCode, refusalCodes, unopenedRefusals } from '../wire/reason-codes.ts';
import { createReadyConnection, type Ending, type ReadyConnection } from './ready-connection.ts';
import type { SessionState } from '../sessions/session-state.ts';
import { handlePacket } from './ready-packets.ts';

const MS_PER_SECOND = 1000;
/** Packet type 1 with its reserved bits, which are 0. */
const CONNECT = 0x10;
const NOT_CONNECT = new ProtocolFault(ReasonCode.protocolError, 'the first packet must be CONNECT');
const NOBODY_THERE = 'connection lost';

const UNFINISHED: Ending = {
  reason: 'protocolError',
  code: ReasonCode.protocolError,
  detail: 'a packet was not finished in time',
};

const OVER_RATE: Ending = {
  reason: 'overRate',
  code: ReasonCode.messageRateTooHigh,
  detail: 'more was published than is allowed, for too long',
};

interface PendingWill {
  readonly message: WillMessage | null;
  readonly delayMs: number;
}

const NO_WILL: PendingWill = { message: null, delayMs: 0 };

function toExpiryMs(seconds: number): number {
  return seconds === SESSION_EXPIRY_NEVER ? Number.POSITIVE_INFINITY : seconds * MS_PER_SECOND;
}

/**
 * One network connection, from its first byte to its end:
 *
 *     awaitingConnect ──CONNECT──▶ authenticating ──accepted──▶ opening ──host ready, CONNACK──▶ ready
 *            └──────────────────────────┴──── refused, lost, taken over, faulty ──┴──▶ closed ◀──┘
 *
 * `closed` is entered once and never left. The host hears `sessionClosed` exactly once for each session whose
 * `sessionOpened` succeeded, and for one session key the calls never overlap: opened, closed, opened, closed.
 */
export class Connection<Identity> {
  readonly #context: EngineContext<Identity>;
  readonly #transport: Transport;
  readonly #isOverLimit: boolean;
  readonly #output: ConnectionOutput;
  readonly #gate: ReadingGate;
  readonly #framer: PacketFramer;
  readonly #acceptedAtMs: number;
  #state: 'awaitingConnect' | 'authenticating' | 'opening' | 'ready' | 'closed' = 'awaitingConnect';
  #ready: ReadyConnection<Identity> | null = null;
  #sessionKey: string | null = null;
  #sharedRate: SharedPublishRate | null = null;
  #opening: Promise<void> | null = null;
  #version: 3 | 4 | 5 | null = null;
  #keepaliveMs = 0;
  #clientPacketBytesMax = Number.POSITIVE_INFINITY;
  #lastHeardMs: number;
  /** Of the last bytes. Silence that is our doing counts here, as it does not in `#lastHeardMs`. */
  #lastBytesMs: number;
  /** When the first byte came of a packet whose last one is to come. */
  #unfinishedSinceMs: number | null = null;
  #blockedSinceMs: number | null = null;
  #will: PendingWill = NO_WILL;
  #endReason: CloseReason = 'connectionLost';
  #isOpened = false;
  /** Of the last publish that came whole: most devices write to one topic only. */
  #topic: KnownTopic | null = null;
  #isPumping = false;

  constructor(context: EngineContext<Identity>, transport: Transport, isOverLimit: boolean) {
    this.#context = context;
    this.#transport = transport;
    this.#isOverLimit = isOverLimit;
    this.#framer = new PacketFramer(context.limits.packetBytesMax);
    this.#output = new ConnectionOutput({
      transport,
      flushQueue: context.flushQueue,
      onFlushed: () => this.#flushed(),
    });
    this.#gate = new ReadingGate(transport, () => this.#readAgain());
    this.#acceptedAtMs = context.now();
    this.#lastHeardMs = this.#acceptedAtMs;
    this.#lastBytesMs = this.#acceptedAtMs;
  }

  /** The session, as long as it may be used. */
  get session(): DeviceSession<Identity> | null {
    return this.#state === 'ready' || this.#state === 'opening' ? (this.#ready?.session ?? null) : null;
  }

  receive(bytes: Uint8Array): void {
    if (this.#state === 'closed') return;
    this.#lastHeardMs = this.#context.now();
    const sinceLastMs = this.#lastHeardMs - this.#lastBytesMs;
    this.#lastBytesMs = this.#lastHeardMs;
    if (this.#framer.unreadBytes + bytes.byteLength > this.#context.limits.packetBytesMax + HELD_BYTES_MAX) {
      return this.#end({ reason: 'overloaded', code: ReasonCode.quotaExceeded, detail: 'paused, yet still sending' });
    }
    this.#framer.push(bytes);
    const before = this.#ready?.inbound.awaited ?? 0;
    this.#pump(false);
    if (this.#context.pressure.gathers) this.#gather(before, sinceLastMs);
  }

  /**
   * Each reading and each write costs the same for one message as for ten. A device with one message on the way is read
   * on, since its next one may be far away; one that has sent more before its answer came may as well be read later.
   * Where that brings little, because the device sends a few messages within `GATHER_MS`, these are waited for.
   */
  #gather(awaitedBefore: number, sinceLastMs: number): void {
    const awaited = this.#state === 'ready' ? (this.#ready?.inbound.awaited ?? 0) : 0;
    if (awaited > 1 || (awaited === 1 && awaitedBefore > 0)) this.#gate.stop(StopReason.gathering);
    const brought = awaited - awaitedBefore;
    if (brought <= 0 || this.#gate.holds(StopReason.spacing)) return;
    const apartMs = sinceLastMs / brought;
    if (apartMs < GATHER_MS / GATHERED_MESSAGES_MAX || apartMs > GATHER_MS / 2) return;
    this.#gate.stop(StopReason.spacing);
    this.#context.spaced.add(this);
  }

  /** It was left unread for long enough. */
  readAgain(): void {
    if (this.#state !== 'closed') this.#gate.release(StopReason.spacing);
  }

  transportClosed(): void {
    if (this.#state === 'closed') return;
    this.#output.abandon();
    // What arrived while we were not reading is ours already, and a DISCONNECT in it must still cancel the will.
    if (this.#state === 'ready') this.#pump(true);
    this.#end({ reason: 'connectionLost', code: null, detail: NOBODY_THERE });
  }

  drained(): void {
    this.#blockedSinceMs = null;
    this.#output.drained();
    this.#ready?.session.outbound.pump();
    this.#gate.release(StopReason.output);
  }

  /** Another connection has the session now. Settles when the host knows that this one is closed. */
  async yieldSession(): Promise<void> {
    this.#end({ reason: 'takenOver', code: ReasonCode.sessionTakenOver, detail: null });
    if (this.#opening !== null) await this.#opening;
  }

  drain(): void {
    this.#gate.stop(StopReason.draining);
    if (this.#state === 'authenticating' || this.#state === 'opening') {
      return this.#refuseUnavailable('server is shutting down');
    }
    this.#ready?.inbound.letGoHeld();
    if (this.#ready === null || this.#ready.inbound.isIdle) this.close('draining');
  }

  close(reason: CloseReason): void {
    const moves = reason === 'draining' && this.#context.serverReference() !== null;
    this.#end({ reason, code: moves ? ReasonCode.useAnotherServer : closeReasonCodes[reason], detail: null });
  }

  /** The other connections had their turn. */
  takeTurn(): void {
    if (this.#state !== 'closed') this.#gate.release(StopReason.turn);
  }

  /** Closes at once, without reading or saying anything. */
  abort(): void {
    this.#output.destroy();
    this.#end({ reason: 'overloaded', code: null, detail: 'far too many connections' });
  }

  /** Everything that depends on time passing. One sweep serves all connections, so none holds a timer. */
  sweep(nowMs: number): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'ready') return this.#sweepHandshake(nowMs);
    const ready = this.#ready as ReadyConnection<Identity>;
    ready.session.outbound.sweep(nowMs);
    if (ready.inbound.isOverRateTooLong(nowMs)) return this.#end(OVER_RATE);
    if (this.#blockedSinceMs !== null && nowMs - this.#blockedSinceMs > SLOW_READER_TIMEOUT_MS) {
      return this.#end({ reason: 'slowReader', code: null, detail: 'client does not read' });
    }
    // The host may be silent, and what else the device has to say must not wait for that.
    if (nowMs - this.#lastHeardMs > GATHER_MS) this.#gate.release(StopReason.gathering);
    // While we do not read, silence is our doing.
    if (!this.#gate.isOpen) return;
    const { packetTimeoutMs = PACKET_TIMEOUT_MS } = this.#context.limits;
    if (this.#unfinishedSinceMs !== null && nowMs - this.#unfinishedSinceMs > packetTimeoutMs) {
      return this.#end(UNFINISHED);
    }
    if (this.#keepaliveMs === 0) return;
    if (nowMs - this.#lastHeardMs > this.#keepaliveMs) this.close('keepaliveTimeout');
  }

  #sweepHandshake(nowMs: number): void {
    if (nowMs - this.#acceptedAtMs <= this.#context.limits.connectTimeoutMs) return;
    if (this.#state === 'awaitingConnect') {
      return this.#end({ reason: 'connectTimeout', code: null, detail: 'no CONNECT in time' });
    }
    this.#refuseUnavailable('not ready in time');
  }

  #pump(force: boolean): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    for (let count = 0; this.#state !== 'closed' && (force || this.#gate.isOpen); count++) {
      if (!force && (count === PACKETS_PER_TURN_MAX || this.#output.isOverfull)) {
        this.#gate.stop(StopReason.turn);
        this.#context.turns.add(this);
        break;
      }
      const fault = this.#isStranger() ? NOT_CONNECT : this.#readPacket();
      if (fault === null) break;
      if (fault !== 'handled') this.#fail(fault);
    }
    this.#isPumping = false;
  }

  /** Whoever does not begin with CONNECT need not send the rest of his packet. */
  #isStranger(): boolean {
    if (this.#state !== 'awaitingConnect') return false;
    const first = this.#framer.firstByte;
    return first !== null && first !== CONNECT;
  }

  /** Null when the next packet is not complete. */
  #readPacket(): ProtocolFault | 'handled' | null {
    const frame = this.#framer.next();
    if (frame === null) {
      this.#framer.settle();
      this.#unfinishedSinceMs = this.#framer.unreadBytes === 0 ? null : (this.#unfinishedSinceMs ?? this.#lastHeardMs);
      return null;
    }
    this.#unfinishedSinceMs = null;
    if (frame instanceof ProtocolFault) return frame;
    return this.#handleFrame(frame) ?? 'handled';
  }

  #readAgain(): void {
    this.#lastHeardMs = this.#context.now();
    this.#unfinishedSinceMs = null;
    this.#pump(false);
  }

  #handleFrame(frame: Buffer): ProtocolFault | null {
    if (this.#ready !== null) return this.#handleReady(frame, this.#ready);
    const answer = readConnect(frame, this.#framer.bodyOffset, this.#context);
    if ('refusal' in answer) this.#refuse(answer.refusal);
    else this.#connect(answer.request);
    return null;
  }

  #handleReady(frame: Buffer, ready: ReadyConnection<Identity>): ProtocolFault | null {
    const { layout, codec, topics } = this.#context;
    const version = ready.session.protocolVersion;
    const { bodyOffset } = this.#framer;
    const again = readPublishAgain(frame, { bodyOffset, version, topic: this.#topic });
    if (again !== null) return ready.inbound.receive(again, NO_USER_PROPERTIES, frame.length);
    const malformed = layout.check(frame, bodyOffset, version);
    if (malformed !== null) return malformed;
    const packet = readPlainPublish(frame, bodyOffset, version) ?? codec.decode(frame, version);
    if (packet instanceof ProtocolFault) return packet;
    const fault = handlePacket(this.#context, ready, {
      packet,
      userProperties: layout.userProperties,
      bytes: frame.length,
    });
    // What was taken was valid, so its topic is.
    if (fault === null && packet.cmd === 'publish' && packet.topic !== '') this.#topic = topics.of(packet.topic);
    return fault;
  }

  #connect(request: ConnectRequest): void {
    this.#version = request.version;
    this.#clientPacketBytesMax = request.packetBytesMax;
    if (this.#context.isDraining()) return this.#refuseUnavailable('server is shutting down');
    if (this.#isOverLimit) {
      const { version } = request;
      return this.#refuse({ version, ...refusalCodes.serverBusy, detail: 'too many connections' });
    }
    this.#state = 'authenticating';
    this.#gate.stop(StopReason.handshake);
    void this.#authenticate(request);
  }

  async #authenticate(request: ConnectRequest): Promise<void> {
    let answer: Authentication<Identity>;
    try {
      const { remoteAddress, certificateChain = [] } = this.#transport;
      answer = await this.#context.host.authenticate({ ...request.credentials, remoteAddress, certificateChain });
    } catch (error) {
      this.#context.observer.hostFailed?.('authenticate', error);
      answer = { kind: 'refused', reason: 'serverUnavailable', detail: 'authentication is not available' };
    }
    if (this.#state !== 'authenticating') return;
    if (answer.kind === 'refused') {
      return this.#refuse({ version: request.version, ...refusalCodes[answer.reason], detail: answer.detail });
    }
    this.#state = 'opening';
    this.#sessionKey = answer.sessionKey;
    const previous = this.#context.registry.replace(answer.sessionKey, this);
    this.#sharedRate = answer.sharedRate ?? null;
    this.#opening = this.#open(request, answer, previous);
    await this.#opening;
    this.#opening = null;
  }

  async #open(
    request: ConnectRequest,
    { identity, sessionKey }: { identity: Identity; sessionKey: string },
    previous: Connection<Identity> | null,
  ): Promise<void> {
    const { keeper, host, observer } = this.#context;
    if (previous !== null) await previous.yieldSession();
    if (!this.#isOpening()) return this.#forget();
    let doing = 'claimSession';
    try {
      const { state, isResumed } = await keeper.claim(sessionKey, request.cleanStart);
      if (!this.#isOpening()) {
        keeper.detach(state, NO_WILL);
        return this.#forget();
      }
      doing = 'sessionOpened';
      this.#ready = this.#createReady(request, identity, { state, isResumed });
      await host.sessionOpened(this.#ready.session);
    } catch (error) {
      observer.hostFailed?.(doing, error);
      this.#refuseUnavailable('session could not be opened');
      return this.#forget();
    }
    this.#isOpened = true;
    if (!this.#isOpening()) return this.#announceClosed();
    this.#welcome(request, this.#ready);
  }

  #createReady(
    request: ConnectRequest,
    identity: Identity,
    claimed: { state: SessionState<Identity>; isResumed: boolean },
  ): ReadyConnection<Identity> {
    return createReadyConnection(this.#context, {
      ...claimed,
      request,
      identity,
      sharedRate: this.#sharedRate,
      remoteAddress: this.#transport.remoteAddress,
      output: this.#output,
      gate: this.#gate,
      end: (ending) => this.#end(ending),
      onDisconnect: ({ keepsWill, sessionExpirySeconds }) => {
        if (!keepsWill) this.#will = NO_WILL;
        if (sessionExpirySeconds !== null) {
          claimed.state.expiryMs = this.#context.keeper.grantedExpiryMs(toExpiryMs(sessionExpirySeconds));
        }
        this.#end({ reason: 'clientDisconnected', code: null, detail: null });
      },
    });
  }

  #welcome(request: ConnectRequest, ready: ReadyConnection<Identity>): void {
    const { keeper, limits, observer, connacks } = this.#context;
    const keepalive = agreeKeepalive(request, limits);
    this.#keepaliveMs = keepalive.seconds * MS_PER_SECOND * KEEPALIVE_GRACE;
    this.#will = { message: request.will, delayMs: request.willDelayMs };
    this.#state = 'ready';
    const expiryMs = keeper.grantedExpiryMs(toExpiryMs(request.sessionExpirySeconds));
    keeper.keepFor(ready.state, expiryMs);
    const sessionPresent = ready.session.isResumed;
    const sessionExpirySeconds = Math.min(SESSION_EXPIRY_NEVER, Math.floor(expiryMs / MS_PER_SECOND));
    const connack = connacks.encode(request, { keepalive, sessionPresent, sessionExpirySeconds });
    if (connack.length > this.#clientPacketBytesMax) {
      return this.#end({ reason: 'protocolError', code: null, detail: 'the client takes no CONNACK' });
    }
    this.#output.packet(connack);
    observer.connected?.(request.version);
    if (sessionPresent) observer.sessionResumed?.();
    ready.session.outbound.open();
    this.#gate.release(StopReason.handshake);
  }

  /** A function of its own because the state changes while `#open` waits. */
  #isOpening(): boolean {
    return this.#state === 'opening';
  }

  #fail(fault: ProtocolFault): void {
    if (this.#state === 'awaitingConnect') {
      return this.#end({ reason: 'protocolError', code: null, detail: fault.detail });
    }
    this.#end({ reason: 'protocolError', code: fault.code, detail: fault.detail });
  }

  #refuse(refusal: ConnectRefusal): void {
    if (this.#state === 'closed') return;
    this.#context.observer.connectRefused?.(refusal.reasonCode, refusal.detail);
    this.#sayRefused(refusal);
    this.#end({ reason: 'protocolError', code: null, detail: refusal.detail });
  }

  #sayRefused(refusal: ConnectRefusal): void {
    const connack = encodeRefused(refusal);
    if (connack !== null && connack.length <= this.#clientPacketBytesMax) this.#output.packet(connack);
  }

  #refuseUnavailable(detail: string): void {
    this.#refuse({ version: this.#version, ...refusalCodes.serverUnavailable, detail });
  }

  #end(ending: Ending): void {
    if (this.#state === 'closed') return;
    const wasReady = this.#state === 'ready';
    const refusal = this.#state === 'opening' ? unopenedRefusals[ending.reason] : undefined;
    this.#state = 'closed';
    this.#endReason = ending.reason;
    // Who has said goodbye sends nothing but the end of his stream, and seeing that frees the socket at once.
    if (ending.reason !== 'clientDisconnected') this.#transport.pause();
    const says = wasReady && this.#version === 5 ? ending.code : null;
    if (says !== null) this.#output.packet(this.#encodeDisconnect(says, ending.detail));
    if (refusal !== undefined) {
      this.#sayRefused({ version: this.#version, ...refusalCodes[refusal], detail: 'turned away while it was let in' });
    }
    // A peer that does not read would only keep our bytes; everybody else gets the reason before the close.
    if (this.#output.blocked) this.#output.destroy();
    else this.#output.end();
    this.#framer.clear();
    this.#context.connections.delete(this);
    this.#ready?.inbound.end();
    if (this.#ready !== null) this.#leaveSession(this.#ready.state, ending.reason);
    this.#context.observer.connectionClosed?.(ending.reason, says, ending.detail);
    this.#context.observer.connectionEnded?.(ending.reason, ending.code);
    if (this.#isOpened) this.#announceClosed();
    this.#context.onConnectionGone();
  }

  /** What is left of the will is due now. */
  #leaveSession(state: SessionState<Identity>, reason: CloseReason): void {
    // Who may no longer connect has no use for a session.
    if (reason === 'revoked') state.expiryMs = 0;
    this.#will = { message: this.#context.keeper.detach(state, this.#will), delayMs: 0 };
  }

  #encodeDisconnect(code: ReasonCode, reasonString: string | null): Buffer {
    const serverReference = code === ReasonCode.useAnotherServer ? this.#context.serverReference() : null;
    const explained = encodeDisconnect(code, { reasonString, serverReference });
    if (explained.length <= this.#clientPacketBytesMax) return explained;
    return encodeDisconnect(code, { reasonString: null, serverReference: null });
  }

  #announceClosed(): void {
    this.#forget();
    try {
      const session = (this.#ready as ReadyConnection<Identity>).session;
      this.#context.host.sessionClosed(session, this.#endReason, this.#will.message);
    } catch (error) {
      this.#context.observer.hostFailed?.('sessionClosed', error);
    }
  }

  #forget(): void {
    if (this.#sessionKey !== null) this.#context.registry.release(this.#sessionKey, this);
  }

  #flushed(): void {
    if (this.#state === 'closed') return;
    if (!this.#output.blocked) return this.#ready?.session.outbound.pump();
    this.#blockedSinceMs ??= this.#context.now();
    if (!this.#gate.holds(StopReason.output)) this.#context.observer.readingStopped?.('output');
    // Every packet read may have to be answered, and nobody takes the answers.
    this.#gate.stop(StopReason.output);
  }
}
