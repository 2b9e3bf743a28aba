import { Inject, Injectable } from '@nestjs/common';
import { type CommandState, type DeviceId, findCommand, type TenantId, type TwinCommand } from '@breakwater/twin';
import type { CommandIndex, RegisteredDevice, TelemetryReader } from '@breakwater/twin-runtime';

import { COMMAND_INDEX, TELEMETRY_READER } from '../api-ports.ts';
import { cursorInvalid } from '../http/opaque-cursor.ts';
import { notFound } from '../http/problem.ts';
import { type CommandView, viewCommand } from './command-view.ts';
import type { List } from './telemetry-service.ts';
import { TwinReader } from './twin-reader.ts';

export interface CommandListQuery {
  readonly state?: CommandState | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/**
 * Reads commands where they are: the twin has those that go on and the last ones that ended, at this moment; the
 * telemetry store has all of them, a moment later.
 */
@Injectable()
export class CommandReader {
  constructor(
    @Inject(COMMAND_INDEX) private readonly index: CommandIndex,
    @Inject(TELEMETRY_READER) private readonly history: TelemetryReader,
    private readonly twins: TwinReader,
  ) {}

  /** @throws Problem NOT_FOUND */
  async command(tenant: TenantId, commandId: string): Promise<CommandView> {
    return this.commandOf(await this.deviceOf(tenant, commandId), commandId);
  }

  /** Whose command it is. @throws Problem NOT_FOUND */
  async deviceOf(tenant: TenantId, commandId: string): Promise<RegisteredDevice> {
    const claim = await this.index.find(tenant, commandId);
    if (claim === null) throw notFound('command');
    return this.twins.device(tenant, claim.device);
  }

  /** @throws Problem NOT_FOUND */
  async commandOf(device: RegisteredDevice, commandId: string): Promise<CommandView> {
    const known = await this.known(device, commandId);
    if (known === null) throw notFound('command, or its device has not heard of it yet');
    return viewCommand(device.device, known);
  }

  /** Newest order first. The first page may be longer: it has what the history does not know yet as well. */
  async commands(tenant: TenantId, deviceId: DeviceId, query: CommandListQuery): Promise<List<CommandView>> {
    const device = await this.twins.device(tenant, deviceId);
    const { state, limit, cursor = null } = query;
    const page = await this.#page({
      tenant,
      device: deviceId,
      limit,
      cursor,
      ...(state === undefined ? {} : { state }),
    });
    const { pending, ended } = (await this.twins.twinOf(device)).commands;
    const now = new Map([...ended, ...pending].map((command) => [command.commandId, command]));
    const found = page.items.map((command) => now.get(command.commandId) ?? command);
    const known = new Set(found.map(({ commandId }) => commandId));
    // What was ordered a moment ago is with the twin only.
    const oldest = page.nextCursor === null ? Number.NEGATIVE_INFINITY : (page.items.at(-1)?.orderedAtMs ?? 0);
    const news = [...now.values()].filter((command) => !known.has(command.commandId) && command.orderedAtMs >= oldest);
    const all = cursor === null ? [...found, ...news] : found;
    const items = all.filter((command) => state === undefined || command.state === state).sort(newestFirst);
    return { items: items.map((command) => viewCommand(deviceId, command)), nextCursor: page.nextCursor };
  }

  /** From the twin, or from the history when the twin has forgotten it, or has not heard of it yet. */
  async known(device: RegisteredDevice, commandId: string): Promise<TwinCommand | null> {
    return (await this.inTwin(device, commandId)) ?? this.inHistory(device, commandId);
  }

  async inTwin(device: RegisteredDevice, commandId: string): Promise<TwinCommand | null> {
    return findCommand((await this.twins.twinOf(device)).commands, commandId);
  }

  async inHistory({ tenant, device }: RegisteredDevice, commandId: string): Promise<TwinCommand | null> {
    const { items } = await this.history.readCommands({ tenant, device, commandId, limit: 1 });
    return items[0] ?? null;
  }

  async #page(query: Parameters<TelemetryReader['readCommands']>[0]) {
    try {
      return await this.history.readCommands(query);
    } catch (error) {
      const isRefusal = error instanceof Error && 'code' in error && error.code === 'REQUEST_INVALID';
      if (isRefusal && query.cursor !== null) throw cursorInvalid();
      throw error;
    }
  }
}

/** As the history has them, so that a command ordered in the same millisecond stands on one page only. */
function newestFirst(left: TwinCommand, right: TwinCommand): number {
  if (left.orderedAtMs !== right.orderedAtMs) return right.orderedAtMs - left.orderedAtMs;
  return left.commandId < right.commandId ? 1 : -1;
}
