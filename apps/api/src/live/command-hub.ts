import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { deviceKey } from '@breakwater/twin';
import type { Clock, CommandHints, RegisteredDevice } from '@breakwater/twin-runtime';

import { CLOCK, COMMAND_HINTS } from '../api-ports.ts';
import { Hint } from './hint.ts';

/** A hint may be lost: whoever waits looks again after this time at the latest. */
const LOOK_AGAIN_MS = 1_000;

/** One who follows one command. */
export interface FollowedCommand {
  /** True when the command may have changed since the last call, or when the time is over; false: stop waiting. */
  changed(timeoutMs: number): Promise<boolean>;
  close(): void;
}

interface Follower {
  isOpen: boolean;
  readonly hint: Hint;
}

/** Wakes those who follow a command. A hint says no more than that it may have changed: the twin is what is read. */
@Injectable()
export class CommandHub implements OnApplicationShutdown {
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #stop = new AbortController();
  #subscribed: Promise<() => Promise<void>> | null = null;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(COMMAND_HINTS) private readonly hints: CommandHints,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    const unsubscribe = await this.#subscribed?.catch(() => null);
    await unsubscribe?.();
  }

  async follow(device: RegisteredDevice, commandId: string): Promise<FollowedCommand> {
    await this.#subscribe();
    const name = nameOf(deviceKey(device.tenant, device.device), commandId);
    const follower: Follower = { isOpen: true, hint: new Hint() };
    const followers = this.#followers.get(name) ?? new Set();
    followers.add(follower);
    this.#followers.set(name, followers);
    return {
      changed: (timeoutMs) => this.#changed(follower, Math.min(timeoutMs, LOOK_AGAIN_MS)),
      close: () => {
        follower.isOpen = false;
        followers.delete(follower);
        if (followers.size === 0 && this.#followers.get(name) === followers) this.#followers.delete(name);
        follower.hint.give();
      },
    };
  }

  async #changed(follower: Follower, timeoutMs: number): Promise<boolean> {
    const isServed = (): boolean => follower.isOpen && !this.#stop.signal.aborted;
    if (isServed()) await follower.hint.wait(this.clock, timeoutMs, this.#stop.signal);
    return isServed();
  }

  /** Subscribed from the first follower to the end of the process. */
  async #subscribe(): Promise<void> {
    this.#subscribed ??= this.hints.subscribe(({ key, commandId }) => {
      for (const follower of this.#followers.get(nameOf(key, commandId)) ?? []) {
        follower.hint.give();
      }
    });
    const subscribed = this.#subscribed;
    try {
      await subscribed;
    } catch (error) {
      if (this.#subscribed === subscribed) this.#subscribed = null;
      throw error;
    }
  }
}

function nameOf(key: string, commandId: string): string {
  return `${key} ${commandId}`;
}
