import { type Packet, parser as createParser } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { ProtocolFault } from './protocol-fault.ts';
import { ReasonCode } from './reason-codes.ts';

type Parser = ReturnType<typeof createParser>;

/**
 * The one place that touches mqtt-packet's parser. A parser gets exactly one whole packet at a time, so it keeps
 * nothing between calls and one parser per protocol version serves all connections.
 */
export class PacketCodec {
  #parsers = new Map<ProtocolVersion, Parser>();
  #packet: Packet | null = null;
  #error: string | null = null;

  decode(frame: Buffer, version: ProtocolVersion): Packet | ProtocolFault {
    const parser = this.#parsers.get(version) ?? this.#open(version);
    let left: number;
    try {
      left = parser.parse(version === 3 ? withoutDup(frame) : frame);
    } catch (error) {
      // The layout was checked, so this is a gap of the codec; whatever is left inside that parser is not trusted.
      left = -1;
      this.#error ??= error instanceof Error ? error.message : 'not a packet';
    }
    const packet = this.#packet;
    const error = this.#error;
    this.#packet = null;
    this.#error = null;
    if (packet !== null && error === null && left === 0) return packet;
    this.#parsers.delete(version);
    return new ProtocolFault(ReasonCode.malformedPacket, error ?? 'not one whole packet');
  }

  /** A CONNECT gets a parser of its own each time: the codec keeps the packet, with its password, as its settings. */
  decodeConnect(frame: Buffer, version: ProtocolVersion): Packet | ProtocolFault {
    this.#parsers.delete(version);
    const packet = this.decode(frame, version);
    this.#parsers.delete(version);
    return packet;
  }

  #open(version: ProtocolVersion): Parser {
    const parser = createParser({ protocolVersion: version });
    parser.on('packet', (packet) => {
      this.#packet = packet;
    });
    parser.on('error', (error: unknown) => {
      this.#error = error instanceof Error ? error.message : String(error);
    });
    this.#parsers.set(version, parser);
    return parser;
  }
}

const TYPES_WITH_DUP = new Set([0x60, 0x80, 0xa0]);

/**
 * In MQTT 3.1 (§3.6, §3.8, §3.10) a PUBREL, SUBSCRIBE or UNSUBSCRIBE that is sent again has DUP set. It has no meaning
 * of its own, and the codec takes it for a reserved bit.
 */
function withoutDup(frame: Buffer): Buffer {
  const first = frame[0] as number;
  if ((first & 0x08) === 0 || !TYPES_WITH_DUP.has(first & 0xf0)) return frame;
  const copy = Buffer.from(frame);
  copy[0] = first & ~0x08;
  return copy;
}
