import { commandDocument, deviceKey, findCommand, isEnded, parseTwin } from '@breakwater/twin';
import type { CommandName, CommandWorkflows, TwinStore } from '@breakwater/twin-runtime';
import { COMMAND_RETRY_DEFAULT, type DeviceCommandInput, partitionOf } from '@breakwater/wire';

export interface LostWorkflowsOptions {
  readonly twins: Pick<TwinStore, 'read'>;
  readonly workflows: Pick<CommandWorkflows<DeviceCommandInput>, 'startAgain'>;
  readonly partitionCount: number;
}

/**
 * Commands whose workflow Temporal knows nothing of: it was restored from a copy that is older than they are, or lost
 * its store. Their twins have them, and end them at their deadline in any case. When a twin speaks of one that goes on,
 * it is given a workflow again, made of what the twin knows: from then on it is resent and waited for as before.
 *
 * A workflow that has heard of its command never orders it, so it cannot have anything carried out that the twin has
 * forgotten. How the command was to be resent only the lost one knew: it is as if nothing had been said about that.
 */
export class LostWorkflows {
  readonly #options: LostWorkflowsOptions;

  constructor(options: LostWorkflowsOptions) {
    this.#options = options;
  }

  /** @throws PlatformError when Temporal or the twin store is away */
  async startAgain(name: CommandName): Promise<'startedAgain' | 'gone'> {
    const { twins, workflows, partitionCount } = this.#options;
    const { tenant, device, commandId } = name;
    const key = deviceKey(tenant, device);
    const { state } = await twins.read(partitionOf(key, partitionCount), key);
    if (state === null) return 'gone';
    const { commands, incarnation } = parseTwin(state);
    const command = findCommand(commands, commandId);
    // Its end is behind this word in the queue, and needs nobody to hear it.
    if (command === null || isEnded(command)) return 'gone';
    const { bodyDigest, method, params, deadlineMs } = command;
    const input: DeviceCommandInput = {
      ...{ version: 1, tenant, device, incarnation, commandId, bodyDigest, method, deadlineMs },
      ...(params === undefined ? {} : { params }),
      retry: COMMAND_RETRY_DEFAULT,
    };
    const outcome = await workflows.startAgain(input, JSON.stringify(commandDocument(command)));
    return outcome === 'runs' ? 'startedAgain' : 'gone';
  }
}
