/** What the head of a record line says of the message that it came from. */
export interface LineSender {
  readonly tenant: string;
  readonly device: string;
  readonly incarnation: number;
  readonly sessionEpoch: number;
  readonly packetId: number;
  readonly digest: number;
  readonly messageId: string;
}

const SENDER_PATTERN =
  /^\{"v":1,"k":"[a-zA-Z]+","day":-?\d+,"tenant":"([^"]*)","device":"([^"]*)","inc":(\d+),"se":(\d+),"pid":(\d+),"dg":(-?\d+),"id":("(?:[^"\\]|\\.)*")/;

/** Reads who sent a record, without parsing its data; null for a line of another version. */
export function peekSender(line: string): LineSender | null {
  const match = SENDER_PATTERN.exec(line);
  if (match === null) return null;
  const [, tenant, device, incarnation, sessionEpoch, packetId, digest, messageId] = match;
  return {
    tenant: tenant as string,
    device: device as string,
    incarnation: Number(incarnation),
    sessionEpoch: Number(sessionEpoch),
    packetId: Number(packetId),
    digest: Number(digest),
    messageId: JSON.parse(messageId as string) as string,
  };
}
