import { USER_PROPERTIES_MAX } from '../engine-limits.ts';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { ProtocolFault } from './protocol-fault.ts';
import { PropertyHolder, propertyRules, type PropertyRule, PropertyId } from './property-rules.ts';
import { ReasonCode } from './reason-codes.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);
export const NO_USER_PROPERTIES: readonly (readonly [string, string])[] = [];

/**
 * Walks the raw bytes of one packet before the codec sees it. The codec is lax: it reads over the end of property
 * sections, forgets a repeated property whose first value is 0, loses the order of user properties, takes bridge
 * protocol levels, and ignores trailing bytes. Whatever passes here has exactly the layout of the standard.
 *
 * One instance serves all connections: a walk never waits.
 */
export class PacketLayout {
  /** The user properties of the packet last checked (for CONNECT: of the CONNECT itself), in their order. */
  userProperties: readonly (readonly [string, string])[] = NO_USER_PROPERTIES;
  /** Those of the will in the CONNECT last checked. */
  willUserProperties: readonly (readonly [string, string])[] = NO_USER_PROPERTIES;
  #bytes: Buffer = NO_BYTES;
  #position = 0;
  #fault: ProtocolFault | null = null;
  readonly #seen = new Set<number>();

  check(frame: Buffer, bodyOffset: number, version: ProtocolVersion): ProtocolFault | null {
    this.#bytes = frame;
    this.#position = bodyOffset;
    this.#fault = null;
    this.userProperties = NO_USER_PROPERTIES;
    this.willUserProperties = NO_USER_PROPERTIES;
    this.#walk((frame[0] as number) >> 4, version);
    this.#bytes = NO_BYTES;
    return this.#fault;
  }

  #walk(packetType: number, version: ProtocolVersion): void {
    switch (packetType) {
      case 1:
        return this.#connect();
      case 3:
        return this.#publish(version);
      case 4:
      case 5:
      case 6:
      case 7:
        return this.#acknowledgement(version);
      case 8:
        return this.#filters({ version, holder: PropertyHolder.subscribe, optionBytes: 1 });
      case 10:
        return this.#filters({ version, holder: PropertyHolder.unsubscribe, optionBytes: 0 });
      case 12:
        return this.#end();
      case 14:
        return this.#disconnect(version);
      default:
        this.#refuse(ReasonCode.protocolError, `a client may not send packets of type ${packetType}`);
    }
  }

  #connect(): void {
    this.#skipSized();
    const version = this.#byte();
    const flags = this.#byte();
    this.#skip(2);
    if ((flags & 0x01) !== 0) return this.#malformed('reserved connect flag is set');
    if ((flags & 0x18) === 0x18) return this.#malformed('will QoS 3');
    const hasWill = (flags & 0x04) !== 0;
    if (!hasWill && (flags & 0x38) !== 0) return this.#malformed('will flags without a will');
    if (version !== 5 && (flags & 0xc0) === 0x40) return this.#malformed('password without user name');
    if (version === 5) this.#properties(PropertyHolder.connect);
    this.#skipSized();
    if (hasWill) {
      const own = this.userProperties;
      this.userProperties = NO_USER_PROPERTIES;
      if (version === 5) this.#properties(PropertyHolder.will);
      this.willUserProperties = this.userProperties;
      this.userProperties = own;
      this.#skipSized();
      this.#skipSized();
    }
    if ((flags & 0x80) !== 0) this.#skipSized();
    if ((flags & 0x40) !== 0) this.#skipSized();
    this.#end();
  }

  #publish(version: ProtocolVersion): void {
    this.#skipSized();
    if (((this.#bytes[0] as number) & 0x06) !== 0) this.#skip(2);
    if (version === 5) this.#properties(PropertyHolder.publish);
    // What is left is the payload, which may be empty: only the walk so far may have gone over the end.
  }

  #acknowledgement(version: ProtocolVersion): void {
    this.#skip(2);
    if (version === 5 && this.#left() > 0) {
      this.#skip(1);
      if (this.#left() > 0) this.#properties(PropertyHolder.acknowledgement);
    }
    this.#end();
  }

  #filters(options: { version: ProtocolVersion; holder: PropertyHolder; optionBytes: number }): void {
    this.#skip(2);
    if (options.version === 5) this.#properties(options.holder);
    if (this.#fault === null && this.#left() === 0) {
      return this.#refuse(ReasonCode.protocolError, 'a list of filters has at least one entry');
    }
    while (this.#fault === null && this.#left() > 0) {
      this.#skipSized();
      this.#skip(options.optionBytes);
    }
  }

  #disconnect(version: ProtocolVersion): void {
    if (version === 5 && this.#left() > 0) {
      this.#skip(1);
      if (this.#left() > 0) this.#properties(PropertyHolder.disconnect);
    }
    this.#end();
  }

  #properties(holder: PropertyHolder): void {
    const length = this.#variable();
    const end = this.#position + length;
    if (this.#fault !== null || length === 0) return;
    if (end > this.#bytes.length) return this.#malformed('properties reach over the end of the packet');
    this.#seen.clear();
    const userProperties: [string, string][] = [];
    while (this.#fault === null && this.#position < end) {
      const id = this.#variable();
      const rule = propertyRules.get(id);
      if (this.#fault !== null) return;
      if (rule === undefined || (rule.holders & holder) === 0) {
        return this.#malformed(`property 0x${id.toString(16)} does not belong here`);
      }
      if (!rule.repeatable && this.#seen.has(id)) {
        return this.#refuse(ReasonCode.protocolError, `property 0x${id.toString(16)} is repeated`);
      }
      this.#seen.add(id);
      if (id === PropertyId.userProperty) this.#userProperty(userProperties);
      else this.#value(rule);
    }
    if (this.#fault === null && this.#position !== end)
      this.#malformed('a property reaches over the end of its section');
    if (userProperties.length > 0) this.userProperties = userProperties;
  }

  #userProperty(list: [string, string][]): void {
    if (list.length === USER_PROPERTIES_MAX) {
      return this.#refuse(ReasonCode.quotaExceeded, `a packet may have ${USER_PROPERTIES_MAX} user properties`);
    }
    list.push([this.#string(), this.#string()]);
  }

  #value(rule: PropertyRule): void {
    switch (rule.type) {
      case 'flag':
        if (this.#byte() > 1) this.#refuse(ReasonCode.protocolError, 'a flag is 0 or 1');
        return;
      case 'string':
        this.#string();
        return;
      case 'binary':
        return this.#skipSized();
      default: {
        const value = rule.type === 'variable' ? this.#variable() : this.#unsigned(rule.type === 'uint16' ? 2 : 4);
        if (rule.nonZero && value === 0) this.#refuse(ReasonCode.protocolError, 'a property may not be 0');
      }
    }
  }

  #left(): number {
    return this.#bytes.length - this.#position;
  }

  #skip(count: number): void {
    if (this.#left() < count) return this.#malformed('packet too short');
    this.#position += count;
  }

  #skipSized(): void {
    this.#skip(this.#unsigned(2));
  }

  #byte(): number {
    return this.#unsigned(1);
  }

  #unsigned(size: 1 | 2 | 4): number {
    if (this.#left() < size) {
      this.#malformed('packet too short');
      return 0;
    }
    const value = this.#bytes.readUIntBE(this.#position, size);
    this.#position += size;
    return value;
  }

  #variable(): number {
    let value = 0;
    for (let scale = 1; scale <= 128 ** 3; scale *= 128) {
      const byte = this.#byte();
      if (this.#fault !== null) return 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.#malformed('variable byte integer of more than four bytes');
    return 0;
  }

  #string(): string {
    const length = this.#unsigned(2);
    const start = this.#position;
    this.#skip(length);
    if (this.#fault !== null) return '';
    const text = this.#bytes.toString('utf8', start, this.#position);
    if (!isCleanText(text)) this.#malformed('text is not UTF-8 or has a forbidden character');
    return text;
  }

  #end(): void {
    if (this.#fault === null && this.#left() > 0) this.#malformed('bytes behind the end of the packet');
  }

  #malformed(detail: string): void {
    this.#refuse(ReasonCode.malformedPacket, detail);
  }

  #refuse(code: ReasonCode, detail: string): void {
    // The first thing wrong is the one to report.
    this.#fault ??= new ProtocolFault(code, detail);
  }
}

/**
 * The decoder turns invalid UTF-8 into U+FFFD, so that character means "was not UTF-8". A well-formed U+FFFD is refused
 * with it: it is what an earlier wrong decoding left behind.
 */
export function isCleanText(text: string): boolean {
  return !text.includes('\u0000') && !text.includes('\ufffd');
}
