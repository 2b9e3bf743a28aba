/**
 * A record batch of Kafka's message format 2, which is what a topic holds and what a request carries:
 *
 *   baseOffset 8 · length 4 · leaderEpoch 4 · magic 1 · crc 4 · attributes 2 · lastOffsetDelta 4 · baseTimestamp 8 ·
 *   maxTimestamp 8 · producerId 8 · producerEpoch 2 · baseSequence 4 · recordCount 4 · records
 *
 * `length` counts from `leaderEpoch`, `crc` covers all from `attributes`, only `records` are compressed. A record is
 *
 *   length · attributes · timestampDelta · offsetDelta · key · value · headers    all but attributes as zigzag varints
 */
export const BATCH_HEADER_LENGTH = 61;
export const BATCH_MAGIC = 2;

/** Where the fields of a batch's header begin. */
export const BATCH_AT = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Bits of `attributes`. */
export const BATCH_ATTRIBUTES = { compression: 0b111, logAppendTime: 0b1000, control: 0b100000 } as const;
