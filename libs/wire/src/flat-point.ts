/** The types of values that a record line keeps apart, by the name of their group. */
export const ValueGroup = { number: 0, string: 1, boolean: 2 } as const;
export type ValueGroup = (typeof ValueGroup)[keyof typeof ValueGroup];

/** Values of one point at most; a message with more is read in the general way. */
export const FLAT_VALUES_MAX = 64;
/** Payloads up to here; a larger one is read in the general way. */
export const FLAT_PAYLOAD_BYTES_MAX = 4_096;

/** Key and value of one member, each from its first byte to behind its last, without quotes, and the group. */
const FIELDS = 5;

/**
 * One point of telemetry as places in the bytes that a device sent: keys are telemetry keys, all different; numbers are
 * written as JavaScript writes them; texts are printable ASCII without an escape. So each stands in a record line as it
 * stands here. One object serves all messages, one after the other, so that reading allocates nothing.
 */
export class FlatPoint {
  source: Buffer = Buffer.alloc(0);
  /** Of the device's own id of the message; both 0 without one. */
  idStart = 0;
  idEnd = 0;
  tsMs = 0;
  /** The members between these count. */
  first = 0;
  end = 0;
  readonly #members = new Int32Array(FLAT_VALUES_MAX * FIELDS);

  setKey(index: number, start: number, end: number): void {
    this.#members[index * FIELDS] = start;
    this.#members[index * FIELDS + 1] = end;
  }

  setValue(index: number, start: number, end: number): void {
    this.#members[index * FIELDS + 2] = start;
    this.#members[index * FIELDS + 3] = end;
  }

  setGroup(index: number, group: ValueGroup): void {
    this.#members[index * FIELDS + 4] = group;
  }

  keyStart(index: number): number {
    return this.#members[index * FIELDS] as number;
  }

  keyEnd(index: number): number {
    return this.#members[index * FIELDS + 1] as number;
  }

  valueStart(index: number): number {
    return this.#members[index * FIELDS + 2] as number;
  }

  valueEnd(index: number): number {
    return this.#members[index * FIELDS + 3] as number;
  }

  group(index: number): ValueGroup {
    return this.#members[index * FIELDS + 4] as ValueGroup;
  }
}
