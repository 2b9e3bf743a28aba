import { assert } from './assert.ts';
import { COMMAND_LIMITS } from './commands/command-limits.ts';
import { isEnded } from './commands/command.ts';
import { isJsonObject } from './own-property.ts';
import type { LatestValue } from './latest-telemetry.ts';
import { TWIN_LIMITS } from './limits.ts';
import type { TwinState } from './twin-state.ts';

/**
 * What holds for every state, checked when it is written and when it is read back: a wrong state must stop its shard
 * before it replaces a right one. Cheap enough for every write: it does not walk through the documents.
 */
export function assertTwinState(state: TwinState): void {
  assert(typeof state.tenant === 'string' && state.tenant.length > 0, 'a twin has a tenant');
  assert(typeof state.device === 'string' && state.device.length > 0, 'a twin has a device id');
  assertCount(state.incarnation, 'the incarnation is a count');
  assertCount(state.version, 'the version is a count');
  assertCount(state.reportedVersion, 'the reported version is a count');
  assertCount(state.changeNumber, 'the change number is a count');
  assert(state.changeNumber >= state.version, 'every version is a change');
  assert(state.changeNumber >= state.reportedVersion, 'every reported version is a change');
  for (const section of [state.desired, state.reported, state.tags]) {
    assert(isJsonObject(section), 'desired, reported and tags are objects');
  }
  for (const tree of [state.desiredTimestamps, state.reportedTimestamps, state.tagsTimestamps]) {
    assert(isJsonObject(tree), 'the timestamps of a section are a tree');
  }
  assertPresence(state);
  assert(state.operations.length <= TWIN_LIMITS.operationsMax, 'the kept operations are bounded');
  for (const { operationId } of state.operations) {
    assert(typeof operationId === 'string', 'a kept operation has its id');
  }
  assert(state.timers.length <= TWIN_LIMITS.timersMax, 'the timers are bounded');
  assertCommands(state);
  assertTelemetry(state);
}

function assertCommands({ commands }: TwinState): void {
  assertCount(commands.count, 'commands are counted');
  assert(commands.pending.length <= COMMAND_LIMITS.pendingMax, 'the pending commands are bounded');
  assert(commands.ended.length <= COMMAND_LIMITS.endedMax, 'the ended commands are bounded');
  assert(commands.refused.length <= COMMAND_LIMITS.refusedMax, 'the refused orders are bounded');
  assert(!commands.pending.some(isEnded), 'no pending command has ended');
  assert(commands.ended.every(isEnded), 'every ended command has ended');
}

function assertPresence({ presence }: TwinState): void {
  assertCount(presence.sessionEpoch, 'the session epoch is a count');
  assert(presence.connected === true || presence.connected === false, 'a device is connected or not');
  const subscribed = presence.desiredSubscribed || presence.commandsSubscribed;
  assert(presence.connected || !subscribed, 'only an open session is subscribed');
  assert(!presence.connected || presence.sinceMs !== null, 'a connected device is so since a time');
}

/** The part of them that a measurement can break. */
export function assertTelemetry({ telemetry }: TwinState): void {
  assert(telemetry.length <= TWIN_LIMITS.telemetryKeysMax, 'the latest values are bounded');
  let previous: LatestValue | null = null;
  for (const value of telemetry) {
    assert(previous === null || previous.name < value.name, 'the latest values are sorted by name, each once');
    assert(Number.isSafeInteger(value.tsMs) && Number.isSafeInteger(value.orderMs), 'a latest value has its times');
    assert(value.orderMs <= value.tsMs, 'the time of comparison is never ahead of device time');
    assertCount(value.offset, 'a latest value has its place in the log');
    previous = value;
  }
}

function assertCount(count: number, sentence: string): void {
  assert(Number.isSafeInteger(count) && count >= 0, sentence);
}
