import type { CommandState } from '@breakwater/twin';
import { type CommandWorkflows, PlatformError } from '@breakwater/twin-runtime';
import {
  COMMAND_CHANGED,
  COMMAND_SEARCH_ATTRIBUTES,
  COMMAND_TASK_QUEUE,
  type CommandDocument,
  commandWorkflowId,
  DEVICE_COMMAND,
  type DeviceCommandInput,
} from '@breakwater/wire';
import {
  Client,
  Connection,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

import type { TemporalPlace } from './temporal-health.ts';

/** A command that is not taken within this time is refused: whoever orders it must not hang. */
const CALL_TIMEOUT_MS = 3_000;

/**
 * A workflow is begun so long after its start. Most commands have ended by then, and are one step of their workflow in
 * place of two, without a timer that is set and taken back. A signal does not cut it short.
 */
const START_DELAY_MS = 250;

/** gRPC's INVALID_ARGUMENT: as true tomorrow as today. */
const INVALID_ARGUMENT = 3;

const KEYS = {
  tenant: defineSearchAttributeKey(COMMAND_SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD),
  device: defineSearchAttributeKey(COMMAND_SEARCH_ATTRIBUTES.device, SearchAttributeType.KEYWORD),
  method: defineSearchAttributeKey(COMMAND_SEARCH_ATTRIBUTES.method, SearchAttributeType.KEYWORD),
  state: defineSearchAttributeKey(COMMAND_SEARCH_ATTRIBUTES.state, SearchAttributeType.KEYWORD),
} as const;

/** Commands as Temporal workflows. Connects when it is first used, and again by itself. */
export class TemporalCommandWorkflows implements CommandWorkflows<DeviceCommandInput> {
  readonly #connection: Connection | null;
  readonly #client: Client | null;

  constructor(place: TemporalPlace) {
    const { temporalAddress: address, temporalNamespace: namespace, temporalTls } = place;
    this.#connection = address === '' ? null : Connection.lazy({ address, tls: temporalTls === 'true' });
    this.#client = this.#connection === null ? null : new Client({ connection: this.#connection, namespace });
  }

  async start(input: DeviceCommandInput): Promise<'started' | 'exists'> {
    const started = await this.#call(async (client) => {
      await client.workflow.start(DEVICE_COMMAND, {
        ...optionsOf(input, 'QUEUED'),
        startDelay: START_DELAY_MS,
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      });
    });
    return started === 'done' ? 'started' : 'exists';
  }

  async changed(command: Parameters<typeof commandWorkflowId>[0], document: string): Promise<'told' | 'gone'> {
    const told = await this.#call((client) => {
      const handle = client.workflow.getHandle(commandWorkflowId(command));
      return handle.signal<[CommandDocument]>(COMMAND_CHANGED, JSON.parse(document) as CommandDocument);
    });
    return told === 'done' ? 'told' : 'gone';
  }

  async startAgain(input: DeviceCommandInput, document: string): Promise<'runs' | 'ended'> {
    const known = JSON.parse(document) as CommandDocument;
    const started = await this.#call(async (client) => {
      await client.workflow.signalWithStart(DEVICE_COMMAND, {
        ...optionsOf(input, known.state),
        signal: COMMAND_CHANGED,
        signalArgs: [known],
        // One that was ended here, by an operator for instance, stays ended.
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      });
    });
    return started === 'done' ? 'runs' : 'ended';
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }

  async #call(call: (client: Client) => Promise<void>): Promise<'done' | 'exists' | 'notFound'> {
    if (this.#client === null || this.#connection === null) {
      throw new PlatformError('COMMANDS_UNAVAILABLE', 'this installation has no Temporal, which keeps commands');
    }
    const client = this.#client;
    try {
      await this.#connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, () => call(client));
      return 'done';
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return 'exists';
      if (error instanceof WorkflowNotFoundError) return 'notFound';
      const detail = 'Temporal, which keeps commands, does not take any at the moment';
      throw new PlatformError('COMMANDS_UNAVAILABLE', detail, { retryable: !isRefusal(error), cause: error });
    }
  }
}

function optionsOf(input: DeviceCommandInput, state: CommandState) {
  const { tenant, device, commandId, method, deadlineMs } = input;
  return {
    workflowId: commandWorkflowId(input),
    taskQueue: COMMAND_TASK_QUEUE,
    args: [input],
    typedSearchAttributes: [
      { key: KEYS.tenant, value: tenant },
      { key: KEYS.device, value: device },
      { key: KEYS.method, value: method },
      { key: KEYS.state, value: state },
    ],
    staticSummary: `${method} for ${device}`,
    staticDetails: `Command \`${commandId}\` of tenant ${tenant}; its deadline is ${new Date(deadlineMs).toISOString()}.`,
  };
}

/** Temporal is there and does not take this one, a signal to a workflow that has had too many of them for instance. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return isGrpcServiceError(cause) && Number(cause.code) === INVALID_ARGUMENT;
}
