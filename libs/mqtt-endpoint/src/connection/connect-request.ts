import { randomUUID } from 'node:crypto';
import type { IConnectPacket } from 'mqtt-packet';
import type { Credentials, MessageProperties, ProtocolVersion, WillMessage } from '../endpoint-host.ts';
import type { PacketCodec } from '../wire/packet-codec.ts';
import type { PacketLayout } from '../wire/packet-layout.ts';
import { toMessageProperties } from '../wire/message-properties.ts';
import { validatePacket } from '../wire/packet-validator.ts';
import { ProtocolFault } from '../wire/protocol-fault.ts';
import { ReasonCode, ReturnCode } from '../wire/reason-codes.ts';

/** What a CONNECT asks for, checked, with the defaults of the standard filled in. */
export interface ConnectRequest {
  readonly credentials: Omit<Credentials, 'remoteAddress' | 'certificateChain'>;
  readonly clientIdAssigned: boolean;
  readonly version: ProtocolVersion;
  readonly keepaliveSeconds: number;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly receiveMax: number;
  readonly packetBytesMax: number;
  readonly topicAliasMax: number;
  readonly reasonStrings: boolean;
  readonly will: WillMessage | null;
  readonly willDelayMs: number;
}

/** How a CONNECT that goes no further is answered: not at all when even its version is not certain. */
export interface ConnectRefusal {
  readonly version: ProtocolVersion | null;
  readonly reasonCode: ReasonCode;
  /** For MQTT 3.1 and 3.1.1; null closes without an answer, as these versions want it for malformed packets. */
  readonly returnCode: ReturnCode | null;
  readonly detail: string;
}

const RECEIVE_MAX_DEFAULT = 65_535;
const MS_PER_SECOND = 1000;
/** Session Expiry Interval that means: the session does not end. */
export const SESSION_EXPIRY_NEVER = 0xffff_ffff;

export function readConnect(
  frame: Buffer,
  bodyOffset: number,
  reader: { codec: PacketCodec; layout: PacketLayout },
): { request: ConnectRequest } | { refusal: ConnectRefusal } {
  const version = readVersion(frame, bodyOffset);
  if (typeof version === 'object') return { refusal: version };
  const malformed = reader.layout.check(frame, bodyOffset, version);
  if (malformed !== null) return { refusal: refuse(version, malformed) };
  const packet = reader.codec.decodeConnect(frame, version);
  if (packet instanceof ProtocolFault) return { refusal: refuse(version, packet) };
  if (packet.cmd !== 'connect') {
    return { refusal: refuse(version, new ProtocolFault(ReasonCode.protocolError, 'not a CONNECT')) };
  }
  const invalid = validatePacket(packet, version);
  if (invalid !== null) return { refusal: refuse(version, invalid) };
  if (packet.properties?.authenticationMethod !== undefined) {
    const detail = 'no enhanced authentication here';
    return { refusal: { version, reasonCode: ReasonCode.badAuthenticationMethod, returnCode: null, detail } };
  }
  if (packet.clientId === '' && (version === 3 || (version === 4 && packet.clean !== true))) {
    const { identifierRejected: returnCode } = ReturnCode;
    const detail = 'a client id is needed';
    return { refusal: { version, reasonCode: ReasonCode.clientIdentifierNotValid, returnCode, detail } };
  }
  return { request: toRequest(packet, version, reader.layout.willUserProperties) };
}

/**
 * Name and level are read from the raw bytes, because the codec takes the levels of bridges (131, 132) for clients. A
 * level we do not speak is answered in the form of 3.1.1, which a client of any version can read.
 */
function readVersion(frame: Buffer, bodyOffset: number): ProtocolVersion | ConnectRefusal {
  const unknown = { version: null, reasonCode: ReasonCode.malformedPacket, returnCode: null, detail: 'not MQTT' };
  if (frame.length < bodyOffset + 2) return unknown;
  const nameBytes = frame.readUInt16BE(bodyOffset);
  const levelOffset = bodyOffset + 2 + nameBytes;
  if (levelOffset >= frame.length) return unknown;
  const name = frame.toString('latin1', bodyOffset + 2, levelOffset);
  const level = frame[levelOffset];
  if (name === 'MQIsdp' && level === 3) return 3;
  if (name === 'MQTT' && (level === 4 || level === 5)) return level;
  if (name !== 'MQTT' && name !== 'MQIsdp') return unknown;
  return {
    version: 4,
    reasonCode: ReasonCode.unsupportedProtocolVersion,
    returnCode: ReturnCode.unacceptableProtocolVersion,
    detail: 'MQTT 3.1, 3.1.1 and 5 are spoken here',
  };
}

function refuse(version: ProtocolVersion, fault: ProtocolFault): ConnectRefusal {
  return { version, reasonCode: fault.code, returnCode: null, detail: fault.detail };
}

function toRequest(
  packet: IConnectPacket,
  version: ProtocolVersion,
  willUserProperties: MessageProperties['userProperties'] & object,
): ConnectRequest {
  const properties = packet.properties;
  const clientIdAssigned = packet.clientId === '';
  return {
    credentials: {
      clientId: clientIdAssigned ? `auto-${randomUUID()}` : packet.clientId,
      username: packet.username ?? null,
      password: packet.password ?? null,
      protocolVersion: version,
    },
    clientIdAssigned,
    version,
    keepaliveSeconds: packet.keepalive ?? 0,
    cleanStart: packet.clean ?? true,
    sessionExpirySeconds:
      version === 5 ? (properties?.sessionExpiryInterval ?? 0) : packet.clean === false ? SESSION_EXPIRY_NEVER : 0,
    receiveMax: properties?.receiveMaximum ?? RECEIVE_MAX_DEFAULT,
    packetBytesMax: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMax: properties?.topicAliasMaximum ?? 0,
    reasonStrings: version === 5 && properties?.requestProblemInformation !== false,
    will: toWill(packet.will, willUserProperties),
    willDelayMs: (packet.will?.properties?.willDelayInterval ?? 0) * MS_PER_SECOND,
  };
}

function toWill(
  will: IConnectPacket['will'],
  userProperties: MessageProperties['userProperties'] & object,
): WillMessage | null {
  if (will === undefined) return null;
  const { topic, qos = 0, retain = false, properties } = will;
  const payload = ownBytes(typeof will.payload === 'string' ? Buffer.from(will.payload) : will.payload);
  if (properties === undefined) return { topic, payload, qos, retain };
  const read = toMessageProperties(properties);
  const { correlationData } = read;
  const own = correlationData == null ? {} : { correlationData: ownBytes(correlationData) };
  return { topic, payload, qos, retain, ...read, ...own, userProperties };
}

/** A will is kept as long as its connection, and as a view of what was read it would keep all of that. */
function ownBytes(view: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafeSlow(view.byteLength);
  bytes.set(view);
  return bytes;
}
