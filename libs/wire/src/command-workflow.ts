/**
 * What the workflow of a command shares with those who start, tell and find it. Workflow code runs without Node, and
 * therefore imports this file alone, and never the package as a whole.
 */
import type { CommandState, CommandTransition, DeviceId, Incarnation, JsonValue, TenantId } from '@breakwater/twin';

/** The queue that workers for commands listen on. */
export const COMMAND_TASK_QUEUE = 'breakwater-commands';

/** The name under which the workflow is started; it is the name of its function. */
export const DEVICE_COMMAND = 'deviceCommand';

/** The signal that carries a command's document from its twin. */
export const COMMAND_CHANGED = 'commandChanged';

/** The query that answers the newest document. */
export const COMMAND_QUERY = 'command';

/**
 * What a search in Temporal finds the workflows of commands by, each of Temporal's type Keyword. The names are part of
 * the data: a namespace keeps those that it was given. They are stored unencrypted, so nothing personal goes in.
 */
export const COMMAND_SEARCH_ATTRIBUTES = {
  tenant: 'TenantId',
  device: 'DeviceId',
  method: 'CommandMethod',
  state: 'CommandState',
} as const;

/** How often, and how far apart, a command is sent again whose PUBACK does not come. */
export interface CommandRetry {
  /** The first time included. */
  readonly attempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Where nobody said otherwise. */
export const COMMAND_RETRY_DEFAULT: CommandRetry = { attempts: 3, initialMs: 10_000, maxMs: 300_000 };

/** What a command's workflow is started with. `version` tells inputs of other builds apart. */
export interface DeviceCommandInput {
  readonly version: 1;
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  readonly commandId: string;
  readonly bodyDigest: string;
  readonly method: string;
  readonly params?: JsonValue;
  readonly deadlineMs: number;
  readonly retry: CommandRetry;
}

/** A command as its twin tells of it. Each document holds all that earlier ones held. */
export interface CommandDocument {
  readonly commandId: string;
  readonly requestId: number;
  readonly method: string;
  readonly orderedAtMs: number;
  readonly deadlineMs: number;
  readonly state: CommandState;
  readonly transitions: readonly CommandTransition[];
  /** How often it was given to a session. */
  readonly attempts: number;
  readonly progress?: { readonly percent?: number; readonly note?: string };
  readonly result?: JsonValue;
  readonly deliveryUnknown?: true;
  readonly mayHaveRun?: true;
  readonly late?: CommandTransition;
}

/** One workflow per command, named so that the same command can not have two. */
export function commandWorkflowId(command: {
  readonly tenant: string;
  readonly device: string;
  readonly commandId: string;
}): string {
  return `cmd/${command.tenant}/${command.device}/${command.commandId}`;
}
