import type { DeviceId, TenantId } from '@breakwater/twin';

/** Which command a workflow is. */
export interface CommandName {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly commandId: string;
}

/** The durable workflows of commands, one per command. Every call may be repeated: it is done once. */
export interface CommandWorkflows<Input extends CommandName> {
  /**
   * `exists`: it runs, or has ended well. One that its twin refused, or that an operator stopped, is started again.
   *
   * @throws PlatformError COMMANDS_UNAVAILABLE when the engine did not take it in time. If that is retryable, it may
   *   have taken it all the same
   */
  start(input: Input): Promise<'started' | 'exists'>;
  /**
   * Tells a command's workflow what its twin said. `gone`: it has ended, or never was: nobody waits for the word.
   *
   * @throws PlatformError COMMANDS_UNAVAILABLE
   */
  changed(command: CommandName, document: string): Promise<'told' | 'gone'>;
  /**
   * Starts the workflow of a command that goes on where the engine knows nothing of it, with what its twin said.
   * `runs`: it does now, and knows that. `ended`: the engine remembers how it ended, and that stays.
   *
   * @throws PlatformError COMMANDS_UNAVAILABLE
   */
  startAgain(input: Input, document: string): Promise<'runs' | 'ended'>;
}
