import { protocolErrorsCodesById } from '@platformatic/kafka';

/** Kafka's numbers for what an answer says, those that are told apart here. */
export const KAFKA_CODES = {
  none: 0,
  offsetOutOfRange: 1,
  messageTooLarge: 10,
  recordListTooLarge: 18,
  topicAuthorizationFailed: 29,
  outOfOrderSequence: 45,
  invalidProducerEpoch: 47,
  unknownProducerId: 59,
  producerFenced: 90,
} as const;

/** As Kafka's own documentation calls it. */
export function kafkaCodeName(code: number): string {
  return (protocolErrorsCodesById as Readonly<Record<number, string>>)[code] ?? `error ${code}`;
}
