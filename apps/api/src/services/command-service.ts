import { Inject, Injectable } from '@nestjs/common';
import { COMMAND_LIMITS, type DeviceId, isEnded, type TwinCommand, wasRefused } from '@breakwater/twin';
import {
  type Clock,
  type CommandClaim,
  type CommandIndex,
  type CommandWorkflows,
  PlatformError,
  type RegisteredDevice,
} from '@breakwater/twin-runtime';
import type { DeviceCommandInput } from '@breakwater/wire';

import { API_OPTIONS, CLOCK, COMMAND_INDEX, COMMAND_WORKFLOWS, type ApiOptions } from '../api-ports.ts';
import type { Caller } from '../http/authentication.ts';
import { Problem } from '../http/problem.ts';
import { CommandHub } from '../live/command-hub.ts';
import { type CommandOrder, commandInput, isSameOrder, newClaim } from './command-order.ts';
import { CommandReader } from './command-reader.ts';
import { CommandTeller, type Telling } from './command-teller.ts';
import { type CommandView, viewCommand } from './command-view.ts';
import { TwinReader } from './twin-reader.ts';

export interface OrderOptions {
  readonly idempotencyKey: string | null;
  readonly traceparent: string;
  /** How long the end of the command is waited for. */
  readonly waitMs: number;
}

/** How long after its deadline the id of a command is still known to be taken. */
const CLAIM_AFTER_DEADLINE_MS = 30 * 86_400_000;
/**
 * So long after an order, the workflow engine surely still has its workflow, and starting it again does nothing. An
 * older one is started again only if the history says that it never ran.
 */
const ENGINE_REMEMBERS_MS = 3_600_000;
/** After the engine has not answered, orders are refused at once for so long, instead of each waiting for itself. */
const ENGINE_PAUSE_MS = 1_000;
const START_AGAIN_MS_MIN = 100;
const START_AGAIN_MS_MAX = 1_000;

interface Ordered {
  readonly device: RegisteredDevice;
  readonly claim: CommandClaim;
  readonly isNew: boolean;
  readonly input: DeviceCommandInput;
}

/**
 * Orders and cancels. The workflow is started first, so that from then on the command is never forgotten; then the
 * order is told to the twin, which alone decides about it. Each step may be repeated: by a client that lost the answer,
 * and by the workflow when this process dies in between.
 *
 * What must never happen is that an order is told to a twin that has carried it out and forgotten it. So only who has
 * just started the workflow tells it; who finds one waits for what that one does.
 */
@Injectable()
export class CommandService {
  #engineAwayUntilMs = 0;
  #waiting = 0;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(COMMAND_INDEX) private readonly index: CommandIndex,
    @Inject(COMMAND_WORKFLOWS) private readonly workflows: Pick<CommandWorkflows<DeviceCommandInput>, 'start'>,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly twins: TwinReader,
    private readonly reader: CommandReader,
    private readonly teller: CommandTeller,
    private readonly hub: CommandHub,
  ) {}

  /** The command as it is when its twin has it, or when it has ended and that was waited for. @throws Problem */
  async order(caller: Caller, deviceId: DeviceId, order: CommandOrder, options: OrderOptions): Promise<CommandView> {
    const device = await this.twins.device(caller.tenant, deviceId);
    const { idempotencyKey, traceparent, waitMs } = options;
    const input = commandInput(device, order, { nowMs: this.clock.nowMs(), idempotencyKey });
    const ordered = await this.#claim(device, input);
    const known = ordered.isNew ? null : await this.#knownSince(ordered);
    if (known !== null) return this.#view(device, known, waitMs);
    const telling = await this.#admit(ordered);
    try {
      const settled = await this.#start(ordered, telling, traceparent);
      // Durable with its workflow, and soon with its twin.
      return settled === null ? viewQueued(ordered) : await this.#view(device, settled, waitMs);
    } finally {
      telling.close();
    }
  }

  /** @throws Problem COMMAND_SENT, COMMAND_ENDED, NOT_FOUND */
  async cancel(
    caller: Caller,
    commandId: string,
    how: { readonly force: boolean; readonly reason: string | undefined; readonly traceparent: string },
  ): Promise<CommandView> {
    const device = await this.reader.deviceOf(caller.tenant, commandId);
    const { force, reason = 'canceled by an application', traceparent } = how;
    const telling = await this.teller.admit(device);
    try {
      const settled = await telling.tell({ kind: 'cancelCommand', commandId, force, reason }, traceparent);
      if (settled !== null) return viewCommand(device.device, settled);
    } catch (error) {
      throw await this.#orEnded(device, commandId, error);
    } finally {
      telling.close();
    }
    throw new Problem('OPERATION_PENDING', 'the cancel is durable and will be decided; ask for the command later');
  }

  /** @throws Problem COMMAND_CONFLICT, COMMAND_INVALID */
  async #claim(device: RegisteredDevice, input: DeviceCommandInput): Promise<Ordered> {
    const { tenant, commandId } = input;
    const nowMs = this.clock.nowMs();
    const claim = newClaimOr(input, nowMs);
    const holder =
      claim instanceof Problem
        ? await this.index.find(tenant, commandId)
        : await this.index.claim(tenant, commandId, claim, claim.deadlineMs - nowMs + CLAIM_AFTER_DEADLINE_MS);
    if (holder === null) {
      if (claim instanceof Problem) throw claim;
      return { device, claim, isNew: true, input };
    }
    if (!isSameOrder(holder, input)) {
      throw new Problem('COMMAND_CONFLICT', 'this id, or this Idempotency-Key, is that of another command');
    }
    return { device, claim: holder, isNew: false, input: { ...input, deadlineMs: holder.deadlineMs } };
  }

  /** Null when the order, made before, may not have come anywhere. */
  async #knownSince({ device, claim, input }: Ordered): Promise<TwinCommand | null> {
    const inTwin = await this.reader.inTwin(device, input.commandId);
    if (inTwin !== null) return inTwin;
    const isOld = this.clock.nowMs() - claim.claimedAtMs > ENGINE_REMEMBERS_MS;
    const past = await this.reader.inHistory(device, input.commandId).catch((error: unknown) => {
      if (isOld) throw error;
      return null;
    });
    return past === null || wasRefused(past) ? null : past;
  }

  /** What is refused here left no trace, so a new id is free again. */
  async #admit({ device, isNew, input }: Ordered): Promise<Telling> {
    try {
      if (this.clock.nowMs() < this.#engineAwayUntilMs) {
        throw new Problem('COMMANDS_UNAVAILABLE', 'what keeps commands does not answer; nothing was ordered');
      }
      await this.#assertRoom(device);
      return await this.teller.admit(device);
    } catch (error) {
      if (isNew) await this.index.release(input.tenant, input.commandId);
      throw error;
    }
  }

  /** The twin decides; this spares the workflow engine what is refused anyway. */
  async #assertRoom(device: RegisteredDevice): Promise<void> {
    const { commands } = await this.twins.twinOf(device);
    if (commands.pending.length < COMMAND_LIMITS.pendingMax) return;
    throw new Problem('TOO_MANY_COMMANDS', `${COMMAND_LIMITS.pendingMax} commands wait for this device`);
  }

  async #start(ordered: Ordered, telling: Telling, traceparent: string): Promise<TwinCommand | null> {
    const { device, input } = ordered;
    const untilMs = this.clock.nowMs() + this.options.writeTimeoutMs;
    for (let pauseMs = START_AGAIN_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, START_AGAIN_MS_MAX)) {
      if ((await this.#startOnce(ordered)) === 'started') {
        const {
          tenant: _tenant,
          device: _device,
          incarnation: _life,
          version: _version,
          retry: _retry,
          ...told
        } = input;
        return telling.tell({ kind: 'orderCommand', ...told }, traceparent);
      }
      const known = await this.reader.inTwin(device, input.commandId);
      if (known !== null) return known;
      if (this.clock.nowMs() + pauseMs >= untilMs) return this.#unheard(ordered);
      await this.clock.sleep(pauseMs);
    }
  }

  async #startOnce({ isNew, input }: Ordered): Promise<'started' | 'exists'> {
    try {
      return await this.workflows.start(input);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'COMMANDS_UNAVAILABLE') throw error;
      if (error.retryable) this.#engineAwayUntilMs = this.clock.nowMs() + ENGINE_PAUSE_MS;
      // It may have been started: the id stays taken, and the same order under it is safe at any time.
      else if (isNew) await this.index.release(input.tenant, input.commandId);
      const { commandId } = input;
      throw new Problem('COMMANDS_UNAVAILABLE', error.message, { cause: error, members: { commandId } });
    }
  }

  /** Its workflow was there before, and its twin says nothing of it. */
  async #unheard({ device, isNew, input }: Ordered): Promise<TwinCommand | null> {
    const past = await this.reader.inHistory(device, input.commandId).catch(() => null);
    if (past !== null && wasRefused(past)) {
      throw new Problem('TOO_MANY_COMMANDS', 'there was no room for it; try it again in a while');
    }
    if (past === null && isNew) {
      throw new Problem('COMMAND_CONFLICT', 'this id was that of an earlier command');
    }
    return past;
  }

  /** A twin forgets commands that ended long ago; what became of one says why it cannot be canceled. */
  async #orEnded(device: RegisteredDevice, commandId: string, error: unknown): Promise<unknown> {
    if (!(error instanceof Problem) || error.code !== 'COMMAND_NOT_FOUND') return error;
    const past = await this.reader.inHistory(device, commandId).catch(() => null);
    if (past === null || !isEnded(past)) return error;
    return new Problem('COMMAND_ENDED', `The command has ended: ${past.state}.`);
  }

  async #view(device: RegisteredDevice, command: TwinCommand, waitMs: number): Promise<CommandView> {
    if (isEnded(command) || waitMs <= 0 || this.#waiting >= this.options.streamsMax) {
      return viewCommand(device.device, command);
    }
    this.#waiting += 1;
    try {
      return viewCommand(device.device, await this.#ended(device, command, waitMs));
    } finally {
      this.#waiting -= 1;
    }
  }

  /** The command when it has ended, or as it is when the time is over. */
  async #ended(device: RegisteredDevice, command: TwinCommand, waitMs: number): Promise<TwinCommand> {
    const untilMs = this.clock.nowMs() + waitMs;
    const changes = await this.hub.follow(device, command.commandId);
    try {
      let last = command;
      for (;;) {
        // It is durable whatever happens here: a read that fails ends the wait, and is no failure of the order.
        last = (await this.reader.known(device, command.commandId).catch(() => null)) ?? last;
        const leftMs = untilMs - this.clock.nowMs();
        if (isEnded(last) || leftMs <= 0 || !(await changes.changed(leftMs))) return last;
      }
    } finally {
      changes.close();
    }
  }
}

function newClaimOr(input: DeviceCommandInput, nowMs: number): CommandClaim | Problem {
  try {
    return newClaim(input, nowMs);
  } catch (error) {
    // An order that is repeated after its deadline is still the same command.
    if (error instanceof Problem) return error;
    throw error;
  }
}

function viewQueued({ device, claim, input }: Ordered): CommandView {
  const { commandId, method, params, deadlineMs } = input;
  return {
    commandId,
    deviceId: device.device,
    method,
    ...(params === undefined ? {} : { params }),
    state: 'QUEUED',
    orderedAt: claim.claimedAtMs,
    deadline: deadlineMs,
    attempts: 0,
    transitions: [],
  };
}
