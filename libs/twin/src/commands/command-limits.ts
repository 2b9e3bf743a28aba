/** What bounds the commands of one twin. Part of the contract with devices and applications, not settings. */
export const COMMAND_LIMITS = {
  commandIdLengthMax: 128,
  methodLengthMax: 128,
  paramsBytesMax: 16 * 1024,
  resultBytesMax: 16 * 1024,
  jsonDepthMax: 8,
  /** Of a reason or a note; longer ones are cut. */
  textLengthMax: 256,
  /** Commands of a device that have not ended. */
  pendingMax: 100,
  /** UTF-8 bytes of JSON of all of them together. */
  pendingBytesMax: 128 * 1024,
  /** Commands that ended and are still recognised, so that a late or repeated answer finds its command. */
  endedMax: 32,
  endedBytesMax: 64 * 1024,
  /** Ids of orders that there was no room for and that are remembered as refused. */
  refusedMax: 100,
  /** Commands on their way to the device without its PUBACK; the others wait in order. */
  inFlightMax: 16,
  /** A command is given to no more sessions than this. */
  dispatchesMax: 1_000,
  transitionsMax: 16,
  /** The longest time between order and deadline. */
  lifeMsMax: 30 * 86_400_000,
} as const;
