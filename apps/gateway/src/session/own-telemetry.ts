import { crc32 } from 'node:zlib';

import { LIMITS, parseUpTopic, type LineHeadSender, telemetryLineHead } from '@breakwater/wire';

const DAY_MS = 86_400_000;
const NO_HEAD = new Uint8Array(0);

/**
 * What is the same in one message of telemetry of a session after the other: that its topic is the session's own, the
 * digest of that topic, and the head of its record lines. It is all made anew when anything of it changes.
 */
export class OwnTelemetry {
  /** CRC-32 of the topic that was last asked for. */
  topicDigest = 0;
  #topic = '';
  #isOwn = false;
  #head: Uint8Array = NO_HEAD;
  #day = -1;
  #sessionEpoch = -1;

  isTopic(topic: string, { device }: Pick<LineHeadSender, 'device'>): boolean {
    // The engine hands out the same text again and again, so this compares two references.
    if (topic !== this.#topic) {
      const parsed = Buffer.byteLength(topic) > LIMITS.topicBytesMax ? null : parseUpTopic(topic, device);
      this.#isOwn = parsed !== null && typeof parsed === 'object' && parsed.kind === 'telemetry';
      // Who writes to many topics is not to leave each of them here.
      this.#topic = this.#isOwn ? topic : '';
      this.topicDigest = crc32(topic);
    }
    return this.#isOwn;
  }

  headOf(tsMs: number, sender: LineHeadSender): Uint8Array {
    const day = Math.floor(tsMs / DAY_MS);
    if (day !== this.#day || sender.sessionEpoch !== this.#sessionEpoch) {
      this.#head = telemetryLineHead(day, sender);
      this.#day = day;
      this.#sessionEpoch = sender.sessionEpoch;
    }
    return this.#head;
  }
}
