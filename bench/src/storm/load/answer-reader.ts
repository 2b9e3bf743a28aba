/** Types of MQTT packets that a device of a storm is sent, as in the upper half of a packet's first byte. */
export const ANSWERS = { connack: 2, puback: 4 } as const;

/** @param value the two bytes of the body: a packet id, or flags and return code; 0 for a body of another length. */
type Heard = (type: number, value: number) => void;

/**
 * Reads just enough of MQTT for a device that publishes: type, length, and bodies of two bytes. Byte by byte, so that
 * a packet may be cut anywhere and nothing is ever copied or kept.
 */
export class AnswerReader {
  #type = 0;
  /** Of the remaining length: what is read, and the weight of the next seven bits; 0 outside of a length. */
  #length = 0;
  #weight = 0;
  /** Bytes of the body that are still to come. */
  #left = 0;
  #value = 0;

  read(bytes: Uint8Array, count: number, heard: Heard): void {
    for (let at = 0; at < count; at += 1) {
      const byte = bytes[at] as number;
      if (this.#left > 0) {
        this.#value = ((this.#value << 8) | byte) & 0xffff;
        this.#left -= 1;
      } else if (this.#weight > 0) {
        this.#length += (byte & 0x7f) * this.#weight;
        this.#weight = byte >= 0x80 ? this.#weight * 128 : 0;
        if (this.#weight > 0) continue;
        this.#left = this.#length;
      } else {
        this.#type = byte >>> 4;
        this.#length = 0;
        this.#weight = 1;
        this.#value = 0;
        continue;
      }
      if (this.#left === 0) heard(this.#type, this.#length === 2 ? this.#value : 0);
    }
  }
}
