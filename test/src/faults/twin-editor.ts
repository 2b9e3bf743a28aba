import { type PlatformClient, type Installation } from '@breakwater/bench';

import { patchTwin, twinOf } from '../platform-steps.ts';

const EDIT_EVERY_MS = 100;

/**
 * An application that keeps changing what is desired of one twin and keeps looking at it. Whatever breaks meanwhile:
 * what was answered with 200 stays, and no version that anybody saw goes back.
 */
export class TwinEditor {
  readonly #installation: () => Installation;
  readonly #client: () => PlatformClient;
  readonly #device: string;
  readonly #ended: Promise<void>;
  readonly problems: string[] = [];
  #running = true;
  #edits = 0;
  #number = 0;
  #takenNumber = 0;
  #takenVersion = 0;
  #seenVersion = 0;

  constructor(options: { installation: () => Installation; client: () => PlatformClient; device: string }) {
    this.#installation = options.installation;
    this.#client = options.client;
    this.#device = options.device;
    this.#ended = this.#run();
  }

  /** Changes that were answered. */
  get edits(): number {
    return this.#edits;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  /** What is wrong with the twin when all is quiet. */
  async finish(): Promise<readonly string[]> {
    const { version, desired } = await twinOf(this.#client(), this.#device);
    const number = Number(desired['number'] ?? 0);
    if (number < this.#takenNumber) {
      this.problems.push(`${this.#device} desires ${number}, and ${this.#takenNumber} was answered with 200`);
    }
    this.#saw(version);
    if (this.#edits === 0) this.problems.push(`no change of ${this.#device} was answered`);
    return this.problems;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      try {
        await this.#edit();
        this.#saw((await twinOf(this.#client(), this.#device)).version);
      } catch {
        // The API, or what it needs, is away: that is no answer, and nothing is promised.
      }
      await new Promise((resolve) => setTimeout(resolve, EDIT_EVERY_MS));
    }
  }

  async #edit(): Promise<void> {
    this.#number += 1;
    const number = this.#number;
    const response = await patchTwin(this.#installation(), this.#device, { desired: { number } });
    const body = (await response.json()) as { readonly version?: number };
    if (response.status !== 200) return;
    this.#edits += 1;
    this.#takenNumber = number;
    const version = Number(body.version);
    if (version <= this.#takenVersion) {
      this.problems.push(`${this.#device} got version ${version} for a change after ${this.#takenVersion}`);
    }
    this.#takenVersion = version;
    this.#saw(version);
  }

  #saw(version: number): void {
    if (version < this.#seenVersion) {
      this.problems.push(`${this.#device} was seen at version ${this.#seenVersion}, then at ${version}`);
    }
    this.#seenVersion = Math.max(this.#seenVersion, version);
  }
}
