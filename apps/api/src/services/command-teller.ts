import { Inject, Injectable } from '@nestjs/common';
import { type OperationOutcome, type TwinCommand } from '@breakwater/twin';
import type { Clock, RegisteredDevice, TwinStore } from '@breakwater/twin-runtime';
import { isErrorCode, type RecordMessage } from '@breakwater/wire';
import { v7 as uuidv7 } from 'uuid';

import { API_OPTIONS, CLOCK, TWIN_STORE, type ApiOptions } from '../api-ports.ts';
import { notFound, Problem } from '../http/problem.ts';
import { CommandReader } from './command-reader.ts';
import { ControlWriter } from './control-writer.ts';
import { inTime } from './in-time.ts';
import type { OperationWait } from './operation-waits.ts';
import { TwinReader } from './twin-reader.ts';
import { WriteAdmission } from './write-admission.ts';

type Told = Extract<RecordMessage, { kind: 'orderCommand' | 'cancelCommand' }>;
type Untold<Message> = Message extends unknown ? Omit<Message, 'operationId'> : never;

/** A place among the writes that wait for their twins. */
export interface Telling {
  /** What the twin makes of it; null when it did not answer in time. @throws Problem when it refused */
  tell(message: Untold<Told>, traceparent: string): Promise<TwinCommand | null>;
  close(): void;
}

const POLL_MS_MIN = 50;
const POLL_MS_MAX = 400;

/** Tells twins of orders and cancels, and waits for what they make of them. */
@Injectable()
export class CommandTeller {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TWIN_STORE) private readonly store: TwinStore,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly twins: TwinReader,
    private readonly reader: CommandReader,
    private readonly writer: ControlWriter,
    private readonly admission: WriteAdmission,
  ) {}

  /** @throws Problem CONTROL_LAGGING, before anything is done */
  async admit(device: RegisteredDevice): Promise<Telling> {
    const operationId = uuidv7();
    const wait = await this.admission.admit(device, operationId);
    return {
      tell: (message, traceparent) => this.#tell(device, { message: { ...message, operationId }, traceparent, wait }),
      close: () => wait.close(),
    };
  }

  async #tell(
    device: RegisteredDevice,
    {
      message,
      traceparent,
      wait,
    }: { readonly message: Told; readonly traceparent: string; readonly wait: OperationWait },
  ): Promise<TwinCommand | null> {
    const untilMs = this.clock.nowMs() + this.options.writeTimeoutMs;
    const appending = this.writer.append(device, message, traceparent);
    const appended = await inTime(this.clock, appending, this.options.writeTimeoutMs);
    // Whether it is in the log cannot be known; whoever asks again, or the workflow, tells it again.
    if (appended === null) return null;
    const partition = this.writer.partitionOf(device);
    for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(2 * pollMs, POLL_MS_MAX)) {
      const leftMs = untilMs - this.clock.nowMs();
      if (leftMs <= 0) return null;
      await wait.hinted(Math.min(pollMs, leftMs));
      // The position is read before the twin: past the record, the twin has decided.
      const { positions } = await this.store.ledger(partition);
      if (positions.control > appended.offset) return this.#decided(device, message, wait);
    }
  }

  async #decided(device: RegisteredDevice, message: Told, wait: OperationWait): Promise<TwinCommand> {
    // A twin keeps its last operations only, and many may have followed; the answer that came may still hold it.
    const outcome = (await this.twins.twinOf(device)).outcomeOf(message.operationId) ?? wait.outcome();
    if (outcome?.kind === 'rejected') throw problemOf(outcome);
    const command = await this.reader.known(device, message.commandId);
    if (command !== null) return command;
    const { incarnation } = await this.twins.device(device.tenant, device.device);
    if (incarnation !== device.incarnation) throw notFound('device: it was deleted meanwhile');
    throw new Problem('COMMANDS_UNAVAILABLE', 'what the twin made of it cannot be known at the moment: ask again', {
      members: { commandId: message.commandId },
    });
  }
}

function problemOf({ code, detail }: Extract<OperationOutcome, { kind: 'rejected' }>): Problem {
  return new Problem(isErrorCode(code) ? code : 'COMMAND_INVALID', detail);
}
