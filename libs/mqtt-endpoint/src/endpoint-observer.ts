import type { HoldCause } from './inbound/publish-pass.ts';
import type { CloseReason, DeliveryOutcome, ProtocolVersion, PublishOutcome } from './endpoint-host.ts';

/** Why a session that had lost its connection is over. `fenced` and `drained` sessions may go on elsewhere. */
export type SessionEnd = 'expired' | 'cleanStart' | 'disconnected' | 'evicted' | 'fenced' | 'drained' | 'removed';

/** What the engine counts, for metrics and audit. Every method is optional and must not throw. */
export interface EndpointObserver {
  /** CONNACK with success was written. */
  connected?(version: ProtocolVersion): void;
  /** `code` is the MQTT 5 reason code, also for older clients. */
  connectRefused?(code: number, detail: string): void;
  /** Any end of an accepted connection. `code` is what a DISCONNECT said, null when there was none. */
  connectionClosed?(reason: CloseReason, code: number | null, detail: string | null): void;
  /** The same end, with the code that MQTT 5 has for it also where the client could not be told. For counting. */
  connectionEnded?(reason: CloseReason, code: number | null): void;
  /** One filter of a SUBSCRIBE. `code` is the MQTT 5 reason code, also for older clients. */
  subscribeRefused?(code: number): void;
  publishReceived?(qos: 0 | 1 | 2, payloadBytes: number): void;
  publishSettled?(qos: 0 | 1 | 2, outcome: PublishOutcome['kind']): void;
  /** A QoS 2 message that was handed over before. */
  duplicateSuppressed?(): void;
  /** `pressure`: by the host, which has too much in hand. */
  readingStopped?(cause: 'inbound' | 'output' | 'pressure'): void;
  /** A message over a publish rate: it waits here, and its acknowledgement with it. */
  publishHeld?(qos: 0 | 1 | 2, cause: HoldCause): void;
  /** A held message whose connection ended first. The host never had it, and it is never acknowledged. */
  publishLetGo?(qos: 0 | 1 | 2): void;
  /** A client found its session again. */
  sessionResumed?(): void;
  sessionEnded?(cause: SessionEnd): void;
  /** A message to a client came to its end. */
  sent?(qos: 0 | 1 | 2, outcome: DeliveryOutcome): void;
  /** The host threw where it must not. The connection concerned is closed, the others go on. */
  hostFailed?(operation: string, error: unknown): void;
}
