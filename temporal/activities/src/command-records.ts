import { deviceKey, type SessionEpoch } from '@breakwater/twin';
import { type Clock, type ControlProducer, PlatformError } from '@breakwater/twin-runtime';
import { type DeviceCommandInput, encodeRecord, partitionOf, type RecordMessage } from '@breakwater/wire';
import type { CommandActivities } from '@breakwater/workflows';

/** Nobody waits for the answer to it: the workflow hears of its command by signal. */
const NOBODY = '';

export interface CommandRecordsOptions {
  readonly producer: Pick<ControlProducer, 'append'>;
  readonly clock: Clock;
  readonly partitionCount: number;
}

/**
 * What workflows have done: each is one record for the device's twin. An activity that is repeated appends another
 * record, and the twin knows the command by its id.
 */
export class CommandRecords implements CommandActivities {
  readonly #options: CommandRecordsOptions;

  constructor(options: CommandRecordsOptions) {
    this.#options = options;
  }

  orderCommand(input: DeviceCommandInput): Promise<void> {
    const { commandId, bodyDigest, method, params, deadlineMs } = input;
    const order = { operationId: NOBODY, commandId, bodyDigest, method, deadlineMs };
    return this.#append(input, { kind: 'orderCommand', ...order, ...(params === undefined ? {} : { params }) });
  }

  resendCommand(input: DeviceCommandInput, dispatch: number): Promise<void> {
    return this.#append(input, { kind: 'resendCommand', commandId: input.commandId, dispatch });
  }

  checkCommand(input: DeviceCommandInput): Promise<void> {
    return this.#append(input, { kind: 'checkCommand', commandId: input.commandId });
  }

  cancelCommand(input: DeviceCommandInput, reason: string): Promise<void> {
    const { commandId } = input;
    return this.#append(input, { kind: 'cancelCommand', operationId: NOBODY, commandId, force: false, reason });
  }

  async #append({ tenant, device, incarnation }: DeviceCommandInput, message: RecordMessage): Promise<void> {
    const { producer, clock, partitionCount } = this.#options;
    const line = encodeRecord({
      tenant,
      device,
      incarnation,
      sessionEpoch: 0 as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: clock.nowMs(),
      traceparent: '',
      message,
    });
    const result = await producer.append('control', partitionOf(deviceKey(tenant, device), partitionCount), line);
    if (result.kind === 'appended') return;
    throw new PlatformError(result.code, 'the log took no record for the command', { retryable: true });
  }
}
