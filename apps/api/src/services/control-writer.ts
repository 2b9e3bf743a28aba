import { Inject, Injectable } from '@nestjs/common';
import { deviceKey, type Partition, type SessionEpoch } from '@breakwater/twin';
import {
  ControlProducer,
  type Clock,
  type EventLog,
  type RecordAppend,
  type RegisteredDevice,
} from '@breakwater/twin-runtime';
import { encodeRecord, partitionOf, type RecordMessage } from '@breakwater/wire';
import { v7 as uuidv7 } from 'uuid';

import { API_OPTIONS, CLOCK, EVENT_LOG, type ApiOptions } from '../api-ports.ts';
import { Problem } from '../http/problem.ts';

export type AppendedRecord = Extract<RecordAppend, { kind: 'appended' }>;

/** Puts what applications want into the control lane. What it answers is durable. */
@Injectable()
export class ControlWriter {
  readonly #producer: ControlProducer;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(EVENT_LOG) log: EventLog,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
  ) {
    this.#producer = new ControlProducer({ log, clock, producerId: `api-${uuidv7()}` });
  }

  partitionOf(device: Pick<RegisteredDevice, 'tenant' | 'device'>): Partition {
    return partitionOf(deviceKey(device.tenant, device.device), this.options.partitionCount);
  }

  /** @throws Problem when the record is not in the log, or when that cannot be known */
  async append(device: RegisteredDevice, message: RecordMessage, traceparent: string): Promise<AppendedRecord> {
    const line = encodeRecord({
      tenant: device.tenant,
      device: device.device,
      incarnation: device.incarnation,
      sessionEpoch: 0 as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: this.clock.nowMs(),
      traceparent,
      message,
    });
    const result = await this.#producer.append('control', this.partitionOf(device), line);
    if (result.kind === 'appended') return result;
    switch (result.code) {
      case 'LANE_FULL':
        throw new Problem('LANE_FULL', 'the log takes no more writes until its readers have caught up');
      case 'FRAME_TOO_LARGE':
        throw new Problem('FRAME_TOO_LARGE', 'the write is larger than the log takes');
      default:
        throw new Problem('BACKEND_UNAVAILABLE', 'the log refused this producer; the next attempt uses a new one');
    }
  }
}
