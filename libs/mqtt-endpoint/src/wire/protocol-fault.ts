import type { ReasonCode } from './reason-codes.ts';

/**
 * What a client did against the protocol. A value, not an exception: hostile input is the ordinary case here, and the
 * one place that closes connections turns it into a DISCONNECT or CONNACK (MQTT 5) or a plain close (3.1.1).
 */
export class ProtocolFault {
  readonly code: ReasonCode;
  readonly detail: string;

  constructor(code: ReasonCode, detail: string) {
    this.code = code;
    this.detail = detail;
  }
}
