import { splitDeviceKey, type Partition } from '@breakwater/twin';
import type { Clock, ControlProducer, InputRecord, RecordAppender } from '@breakwater/twin-runtime';
import { encodeRecord, type RecordMessage } from '@breakwater/wire';

/** How what the runtime has to say to its twins (due timers, lost sessions) enters the log. */
export class RecordInput implements RecordAppender {
  readonly #producer: ControlProducer;
  readonly #clock: Clock;

  constructor(producer: ControlProducer, clock: Clock) {
    this.#producer = producer;
    this.#clock = clock;
  }

  async appendRecords(partition: Partition, records: readonly InputRecord[]): Promise<boolean> {
    const results = await Promise.all(
      records.map((record) => this.#producer.append('control', partition, this.#lineOf(record))),
    );
    return results.every((result) => result.kind === 'appended');
  }

  #lineOf({ key, incarnation, sessionEpoch, message }: InputRecord): string {
    return encodeRecord({
      ...splitDeviceKey(key),
      incarnation,
      sessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: this.#clock.nowMs(),
      traceparent: '',
      // The runtime makes no dead letters of its own here; every other message is the same in the record.
      message: message as RecordMessage,
    });
  }
}
