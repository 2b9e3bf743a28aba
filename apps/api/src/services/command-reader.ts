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
    const claim = await this.index.find(tenant, commandId);
    if (claim === null) throw notFound('command');
    const device = await this.twins.device(tenant, claim.device);
    const known = await this.inTwin(device, commandId);
    if (known !== null) return viewCommand(device.device, known);
    const { items } = await this.history.readCommands({ tenant, device: device.device, commandId, limit: 1 });
    const past = items[0];
    if (past === undefined) throw notFound('command');
    return viewCommand(device.device, past);
  }

  /** Newest order first. */
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
    const oldest = page.nextCursor === null ? Number.NEGATIVE_INFINITY : (found.at(-1)?.orderedAtMs ?? 0);
    const news = [...now.values()].filter((command) => !known.has(command.commandId) && command.orderedAtMs >= oldest);
    const all = cursor === null ? [...found, ...news] : found;
    const items = all
      .filter((command) => state === undefined || command.state === state)
      .sort((left, right) => right.orderedAtMs - left.orderedAtMs);
    return { items: items.map((command) => viewCommand(deviceId, command)), nextCursor: page.nextCursor };
  }

  async inTwin(device: RegisteredDevice, commandId: string): Promise<TwinCommand | null> {
    return findCommand((await this.twins.twinOf(device)).commands, commandId);
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
