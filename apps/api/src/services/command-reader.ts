import { Inject, Injectable } from '@nestjs/common';
import { type CommandState, type DeviceId, findCommand, type TenantId, type TwinCommand } from '@breakwater/twin';
import type { CommandIndex, CommandPlace, RegisteredDevice, TelemetryReader } from '@breakwater/twin-runtime';

import { COMMAND_INDEX, TELEMETRY_READER } from '../api-ports.ts';
import { cursorInvalid, decodeCursor, encodeCursor } from '../http/opaque-cursor.ts';
import { notFound } from '../http/problem.ts';
import { type CommandView, viewCommand } from './command-view.ts';
import type { List } from './telemetry-service.ts';
import { TwinReader } from './twin-reader.ts';

const CURSOR_KIND = 'commands';
const PLACE = /^(\d{1,15}):(.+)$/s;

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

  /**
   * Newest order first. The history may be behind, so each page is what the twin and the history have between two
   * places of the list: whatever the history hears of meanwhile, a walk meets no command twice and leaves none out.
   */
  async commands(tenant: TenantId, deviceId: DeviceId, query: CommandListQuery): Promise<List<CommandView>> {
    const device = await this.twins.device(tenant, deviceId);
    const { state, limit, cursor } = query;
    const after = cursor === undefined ? null : placeOf(cursor);
    const past = await this.history.readCommands({
      tenant,
      device: deviceId,
      limit,
      after,
      ...(state === undefined ? {} : { state }),
    });
    const { pending, ended } = (await this.twins.twinOf(device)).commands;
    // What both know is as the twin has it.
    const known = new Map([...past.items, ...ended, ...pending].map((command) => [command.commandId, command]));
    // Further on there may be others, which only the history knows.
    const end = past.hasMore ? (past.items.at(-1) ?? null) : null;
    const here = [...known.values()]
      .filter((command) => after === null || newestFirst(after, command) < 0)
      .filter((command) => end === null || newestFirst(command, end) <= 0)
      .filter((command) => state === undefined || command.state === state)
      .sort(newestFirst);
    const items = here.slice(0, limit);
    const last = here.length > limit ? items.at(-1) : end;
    return {
      items: items.map((command) => viewCommand(deviceId, command)),
      nextCursor: last === undefined || last === null ? null : cursorOf(last),
    };
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
}

/** As the history has them, so that commands that were ordered in the same millisecond stand in one order. */
function newestFirst(left: CommandPlace, right: CommandPlace): number {
  if (left.orderedAtMs !== right.orderedAtMs) return right.orderedAtMs - left.orderedAtMs;
  if (left.commandId === right.commandId) return 0;
  return left.commandId < right.commandId ? 1 : -1;
}

function cursorOf({ orderedAtMs, commandId }: CommandPlace): string {
  return encodeCursor(CURSOR_KIND, `${orderedAtMs}:${commandId}`);
}

/** @throws Problem CURSOR_INVALID */
function placeOf(cursor: string): CommandPlace {
  const [, time, commandId] = PLACE.exec(decodeCursor(CURSOR_KIND, cursor)) ?? [];
  if (time === undefined || commandId === undefined) throw cursorInvalid();
  return { orderedAtMs: Number(time), commandId };
}
