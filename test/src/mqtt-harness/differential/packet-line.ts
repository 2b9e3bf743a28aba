import type { IPublishPacket, Packet } from 'mqtt-packet';

/** Over it an interval is "long". A second more or less means nothing. */
const LONG_SECONDS = 60;

/** All that a message may carry in MQTT 5, with names that objects have by birth. */
export const RICH_PROPERTIES = {
  payloadFormatIndicator: true,
  contentType: 'text/plain',
  responseTopic: 'answers/here',
  correlationData: Buffer.from('c0ffee', 'hex'),
  userProperties: { again: ['first', 'second'], constructor: 'value' },
};

/** A packet in one line, without what no two servers need agree on: the order of properties, and reason strings. */
export function packetLine(packet: Packet, topicPrefix: string): string {
  switch (packet.cmd) {
    case 'connack':
      return words('connack', packet.sessionPresent && 'present', code(packet.reasonCode ?? packet.returnCode));
    case 'publish': {
      const expiry = packet.properties?.messageExpiryInterval;
      return words(
        `publish ${packet.topic.replace(topicPrefix, '')} ${packet.payload.toString()} qos${packet.qos}`,
        packet.messageId !== undefined && `id${packet.messageId}`,
        packet.dup && 'dup',
        packet.retain && 'retain',
        expiry !== undefined && `expiry ${expiry > LONG_SECONDS ? 'long' : 'short'}`,
        carried(packet.properties),
      );
    }
    case 'suback':
    case 'unsuback': {
      const granted = (packet.granted ?? []) as readonly (number | { readonly qos: number })[];
      return words(`${packet.cmd} ${packet.messageId}`, `[${granted.join(' ')}]`);
    }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return words(`${packet.cmd} ${packet.messageId}`, code(packet.reasonCode));
    case 'disconnect':
      return words('disconnect', code(packet.reasonCode));
    default:
      return packet.cmd;
  }
}

/** The properties that go through a server unchanged. */
function carried(properties: IPublishPacket['properties']): string | false {
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties ?? {};
  const all = [
    payloadFormatIndicator,
    contentType,
    responseTopic,
    correlationData?.toString('hex'),
    ...Object.entries(userProperties ?? {}),
  ];
  return all.some((value) => value !== undefined) && `with ${JSON.stringify(all)}`;
}

function code(reasonCode: number | undefined): string | false {
  return reasonCode !== undefined && reasonCode !== 0 && `0x${reasonCode.toString(16)}`;
}

function words(...all: readonly (string | false | undefined)[]): string {
  return all.filter((word) => typeof word === 'string').join(' ');
}
