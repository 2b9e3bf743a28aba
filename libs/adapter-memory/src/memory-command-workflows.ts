import { PlatformError, type CommandName, type CommandWorkflows } from '@breakwater/twin-runtime';

/** Workflows that do nothing but hear. */
export class MemoryCommandWorkflows<Input extends CommandName> implements CommandWorkflows<Input> {
  readonly started = new Map<string, Input>();
  /** The words that each heard, in order. */
  readonly heard = new Map<string, string[]>();
  isAway = false;

  async start(input: Input): Promise<'started' | 'exists'> {
    this.#assertHere();
    const name = nameOf(input);
    if (this.started.has(name)) return 'exists';
    this.started.set(name, input);
    return 'started';
  }

  async changed(command: CommandName, document: string): Promise<'told' | 'gone'> {
    this.#assertHere();
    const name = nameOf(command);
    if (!this.started.has(name)) return 'gone';
    this.heard.set(name, [...(this.heard.get(name) ?? []), document]);
    return 'told';
  }

  async startAgain(input: Input, document: string): Promise<'runs' | 'ended'> {
    await this.start(input);
    await this.changed(input, document);
    return 'runs';
  }

  #assertHere(): void {
    if (!this.isAway) return;
    throw new PlatformError('COMMANDS_UNAVAILABLE', 'the workflow engine is away', { retryable: true });
  }
}

function nameOf({ tenant, device, commandId }: CommandName): string {
  return `${tenant}/${device}/${commandId}`;
}
