import { createHash } from 'node:crypto';

import { Inject, Injectable } from '@nestjs/common';
import { COMMAND_LIMITS, type DeviceId, isEnded, type JsonValue, type TwinCommand } from '@breakwater/twin';
import type {
  Clock,
  CommandClaim,
  CommandIndex,
  CommandWorkflows,
  RegisteredDevice,
  TwinStore,
} from '@breakwater/twin-runtime';
import { type CommandRetry, type DeviceCommandInput, ERROR_CODES, type ErrorCode } from '@breakwater/wire';
import { v7 as uuidv7 } from 'uuid';

import { API_OPTIONS, CLOCK, COMMAND_INDEX, COMMAND_WORKFLOWS, TWIN_STORE, type ApiOptions } from '../api-ports.ts';
import type { Caller } from '../http/authentication.ts';
import { notFound, Problem } from '../http/problem.ts';
import { CommandHub } from '../live/command-hub.ts';
import { CommandReader } from './command-reader.ts';
import { type CommandView, viewCommand } from './command-view.ts';
import { ControlWriter } from './control-writer.ts';
import { OperationWaits } from './operation-waits.ts';
import { TwinReader } from './twin-reader.ts';

export interface CommandOrder {
  readonly commandId?: string | undefined;
  readonly method: string;
  readonly params?: JsonValue | undefined;
  readonly deadline?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly retry?: { readonly [Key in keyof CommandRetry]?: number | undefined } | undefined;
}

export interface OrderOptions {
  readonly idempotencyKey: string | null;
  readonly traceparent: string;
  /** How long the end of the command is waited for. */
  readonly waitMs: number;
}

const DAY_MS = 86_400_000;
const RETRY_DEFAULT: CommandRetry = { attempts: 3, initialMs: 10_000, maxMs: 300_000 };
/** How long after its deadline the id of a command is still known to be taken. */
const CLAIM_AFTER_DEADLINE_MS = 30 * DAY_MS;
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 400;
const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

interface Ordered {
  readonly device: RegisteredDevice;
  readonly commandId: string;
  readonly input: DeviceCommandInput;
}

/**
 * Orders and cancels. The workflow is started first, so that from then on the command is never forgotten; then the
 * order is told to the twin, which alone decides about it. Each step may be repeated: by a client that lost the answer,
 * and by the workflow when this process dies in between.
 */
@Injectable()
export class CommandService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TWIN_STORE) private readonly store: TwinStore,
    @Inject(COMMAND_INDEX) private readonly index: CommandIndex,
    @Inject(COMMAND_WORKFLOWS) private readonly workflows: Pick<CommandWorkflows<DeviceCommandInput>, 'start'>,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly twins: TwinReader,
    private readonly reader: CommandReader,
    private readonly writer: ControlWriter,
    private readonly waits: OperationWaits,
    private readonly hub: CommandHub,
  ) {}

  /** The command as it is when its twin has it, or when it has ended and that was waited for. @throws Problem */
  async order(caller: Caller, deviceId: DeviceId, order: CommandOrder, options: OrderOptions): Promise<CommandView> {
    const device = await this.twins.device(caller.tenant, deviceId);
    const ordered = this.#orderedOf(device, order, options.idempotencyKey);
    const { commandId, input } = ordered;
    const isNew = await this.#claim(ordered);
    const known = isNew ? null : await this.reader.inTwin(device, commandId);
    if (known !== null) return this.#view(device, known, options.waitMs);
    try {
      if (isNew) await this.#assertRoom(device);
      await this.workflows.start(input);
    } catch (error) {
      // Nothing was ordered as far as we know, and the same id may be tried again.
      if (isNew) await this.index.release(caller.tenant, commandId);
      throw error;
    }
    const { tenant: _tenant, device: _device, incarnation: _life, version: _version, retry: _retry, ...told } = input;
    const settled = await this.#tell(device, { kind: 'orderCommand', ...told }, options.traceparent);
    // Durable with its workflow, and soon with its twin.
    if (settled === null) return viewQueued(ordered, this.clock.nowMs());
    return this.#view(device, settled, options.waitMs);
  }

  /** @throws Problem COMMAND_SENT, COMMAND_ENDED, NOT_FOUND */
  async cancel(
    caller: Caller,
    commandId: string,
    how: { readonly force: boolean; readonly reason: string | undefined; readonly traceparent: string },
  ): Promise<CommandView> {
    const claim = await this.index.find(caller.tenant, commandId);
    if (claim === null) throw notFound('command');
    const device = await this.twins.device(caller.tenant, claim.device);
    const { force, reason = 'canceled by an application', traceparent } = how;
    const settled = await this.#tell(device, { kind: 'cancelCommand', commandId, force, reason }, traceparent);
    if (settled !== null) return viewCommand(device.device, settled);
    throw new Problem('OPERATION_PENDING', 'the cancel is durable and will be decided; ask for the command later');
  }

  #orderedOf(device: RegisteredDevice, order: CommandOrder, idempotencyKey: string | null): Ordered {
    const { method, params, deadline, timeoutSeconds, retry = {} } = order;
    const nowMs = this.clock.nowMs();
    const deadlineMs = deadline ?? Math.round(nowMs + (timeoutSeconds === undefined ? DAY_MS : timeoutSeconds * 1_000));
    if (deadlineMs <= nowMs || deadlineMs > nowMs + COMMAND_LIMITS.lifeMsMax) {
      throw new Problem('COMMAND_INVALID', 'the deadline lies in the past, or more than 30 days ahead');
    }
    const body = [device.device, method, params ?? null, deadline ?? null, timeoutSeconds ?? null, retry];
    const bodyDigest = createHash('sha256').update(JSON.stringify(body)).digest('base64url');
    const commandId = order.commandId ?? (idempotencyKey === null ? uuidv7() : idOfKey(idempotencyKey));
    const { attempts, initialMs, maxMs } = retry;
    const input: DeviceCommandInput = {
      version: 1,
      tenant: device.tenant,
      device: device.device,
      incarnation: device.incarnation,
      commandId,
      bodyDigest,
      method,
      ...(params === undefined ? {} : { params }),
      deadlineMs,
      retry: {
        attempts: attempts ?? RETRY_DEFAULT.attempts,
        initialMs: initialMs ?? RETRY_DEFAULT.initialMs,
        maxMs: maxMs ?? RETRY_DEFAULT.maxMs,
      },
    };
    return { device, commandId, input };
  }

  /** False when the very same order was claimed before. */
  async #claim({ device, commandId, input }: Ordered): Promise<boolean> {
    const claim: CommandClaim = { device: device.device, bodyDigest: input.bodyDigest };
    const ttlMs = input.deadlineMs - this.clock.nowMs() + CLAIM_AFTER_DEADLINE_MS;
    const holder = await this.index.claim(device.tenant, commandId, claim, ttlMs);
    if (holder === null) return true;
    if (holder.device === claim.device && holder.bodyDigest === claim.bodyDigest) return false;
    throw new Problem('COMMAND_CONFLICT', 'this id, or this Idempotency-Key, is that of another command');
  }

  /** The twin decides; this spares the workflow engine what is refused anyway. */
  async #assertRoom(device: RegisteredDevice): Promise<void> {
    const { commands } = await this.twins.twinOf(device);
    if (commands.pending.length < COMMAND_LIMITS.pendingMax) return;
    throw new Problem('TOO_MANY_COMMANDS', `${COMMAND_LIMITS.pendingMax} commands wait for this device`);
  }

  /** Tells the twin, and waits for what it makes of it; null when it did not answer in time. */
  async #tell(
    device: RegisteredDevice,
    message:
      | Omit<Extract<Parameters<ControlWriter['append']>[1], { kind: 'orderCommand' }>, 'operationId'>
      | Omit<Extract<Parameters<ControlWriter['append']>[1], { kind: 'cancelCommand' }>, 'operationId'>,
    traceparent: string,
  ): Promise<TwinCommand | null> {
    const operationId = uuidv7();
    const untilMs = this.clock.nowMs() + this.options.writeTimeoutMs;
    const wait = this.waits.open(operationId);
    try {
      const appended = await this.writer.append(device, { ...message, operationId }, traceparent);
      const partition = this.writer.partitionOf(device);
      for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(2 * pollMs, POLL_MS_MAX)) {
        const leftMs = untilMs - this.clock.nowMs();
        if (leftMs <= 0) return null;
        await wait.hinted(Math.min(pollMs, leftMs));
        // The position is read before the twin: past the record, the twin has decided.
        const { positions } = await this.store.ledger(partition);
        if (positions.control <= appended.offset) continue;
        return await this.#decided(device, message.commandId, operationId);
      }
    } finally {
      wait.close();
    }
  }

  async #decided(device: RegisteredDevice, commandId: string, operationId: string): Promise<TwinCommand> {
    const twin = await this.twins.twinOf(device);
    const outcome = twin.outcomeOf(operationId);
    if (outcome?.kind === 'rejected') {
      const code = KNOWN_CODES.has(outcome.code) ? (outcome.code as ErrorCode) : 'COMMAND_INVALID';
      if (code === 'TOO_MANY_COMMANDS') await this.index.release(device.tenant, commandId);
      throw new Problem(code, outcome.detail);
    }
    const command = await this.reader.inTwin(device, commandId);
    if (command === null) throw notFound('device: it was deleted meanwhile');
    return command;
  }

  async #view(device: RegisteredDevice, command: TwinCommand, waitMs: number): Promise<CommandView> {
    if (isEnded(command) || waitMs <= 0) return viewCommand(device.device, command);
    return viewCommand(device.device, await this.#ended(device, command, waitMs));
  }

  /** The command when it has ended, or as it is when the time is over. */
  async #ended(device: RegisteredDevice, command: TwinCommand, waitMs: number): Promise<TwinCommand> {
    const untilMs = this.clock.nowMs() + waitMs;
    const changes = await this.hub.follow(device, command.commandId);
    try {
      let last = command;
      for (;;) {
        last = (await this.reader.inTwin(device, command.commandId)) ?? last;
        const leftMs = untilMs - this.clock.nowMs();
        if (isEnded(last) || leftMs <= 0) return last;
        await changes.changed(leftMs);
      }
    } finally {
      changes.close();
    }
  }
}

function viewQueued({ device, input }: Ordered, nowMs: number): CommandView {
  const { commandId, method, params, deadlineMs } = input;
  return {
    commandId,
    deviceId: device.device,
    method,
    ...(params === undefined ? {} : { params }),
    state: 'QUEUED',
    orderedAt: nowMs,
    deadline: deadlineMs,
    attempts: 0,
    transitions: [],
  };
}

/** The same key is the same command. Keys may hold what ids may not. */
function idOfKey(idempotencyKey: string): string {
  return `key-${createHash('sha256').update(idempotencyKey).digest('base64url')}`;
}
