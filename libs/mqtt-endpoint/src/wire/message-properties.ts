import type { IPublishPacket } from 'mqtt-packet';
import type { InboundMessage } from '../endpoint-host.ts';

const MS_PER_SECOND = 1000;

type ReadProperties = Pick<
  InboundMessage,
  'contentType' | 'responseTopic' | 'correlationData' | 'messageExpiryMs' | 'payloadFormatIndicator'
>;

const NONE: ReadProperties = { contentType: null };

/** The properties of a PUBLISH or a will as the host gets them, but for the user properties, which the layout reads. */
export function toMessageProperties(properties: IPublishPacket['properties']): ReadProperties {
  if (properties === undefined) return NONE;
  const { contentType, responseTopic, correlationData, messageExpiryInterval, payloadFormatIndicator } = properties;
  return {
    contentType: contentType ?? null,
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData }),
    ...(messageExpiryInterval !== undefined && { messageExpiryMs: messageExpiryInterval * MS_PER_SECOND }),
    ...(payloadFormatIndicator !== undefined && { payloadFormatIndicator }),
  };
}
