import type { DeviceKey, Incarnation, Partition, SessionEpoch, TwinMessage } from '@breakwater/twin';

/** Something that the runtime itself has to say to a twin. It goes through the log, as every input does. */
export interface InputRecord {
  readonly key: DeviceKey;
  readonly incarnation: Incarnation;
  /** 0 for records that do not concern a session. */
  readonly sessionEpoch: SessionEpoch;
  readonly message: TwinMessage;
}

/** Appends to the lane `control`; the versioned encoding is `libs/wire`'s and is injected by the app. */
export interface RecordAppender {
  /**
   * True when all are durable, false when none is (the lane is full): try later. A rejected promise means that the
   * outcome is unknown. The caller may then append again: timers carry a generation and sessions an epoch, so that the
   * twin lets a repetition pass.
   */
  appendRecords(partition: Partition, records: readonly InputRecord[]): Promise<boolean>;
}
