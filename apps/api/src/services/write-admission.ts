import { Inject, Injectable } from '@nestjs/common';
import type { RegisteredDevice } from '@breakwater/twin-runtime';

import { API_OPTIONS, type ApiOptions } from '../api-ports.ts';
import { Problem } from '../http/problem.ts';
import { ControlLag } from './control-lag.ts';
import { ControlWriter } from './control-writer.ts';
import { OperationWaits, type OperationWait } from './operation-waits.ts';

/** Refuses writes before anything is done: what is admitted can be expected to be answered in time. */
@Injectable()
export class WriteAdmission {
  constructor(
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly lag: ControlLag,
    private readonly writer: ControlWriter,
    private readonly waits: OperationWaits,
  ) {}

  /** A place among the writes that wait for their twins. @throws Problem CONTROL_LAGGING */
  async admit(device: RegisteredDevice, operationKey: string): Promise<OperationWait> {
    if (this.waits.count >= this.options.writesInFlightMax) {
      throw new Problem('CONTROL_LAGGING', 'too many writes wait for their twins already');
    }
    // The place is taken before anything is waited for, or all who come at once would pass.
    const wait = this.waits.open(operationKey);
    try {
      const lagMs = await this.lag.lagMs(this.writer.partitionOf(device));
      if (lagMs <= this.options.writeTimeoutMs) return wait;
      throw new Problem('CONTROL_LAGGING', 'the twin of this device is too far behind; nothing was written');
    } catch (error) {
      wait.close();
      throw error;
    }
  }
}
