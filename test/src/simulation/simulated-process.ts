import type { Clock } from '@breakwater/twin-runtime';

/**
 * One process in a run. Dead, none of its code ever goes on; paused, none of it goes on until it is resumed, while what
 * it has already sent arrives. Its code passes a gate wherever it has waited for something.
 */
export class SimulatedProcess {
  readonly clock: Clock;
  #dead = false;
  #resumed: Promise<void> | null = null;
  #resume: () => void = () => {};

  constructor(time: Clock) {
    this.clock = {
      nowMs: () => time.nowMs(),
      sleep: async (durationMs, signal) => {
        await time.sleep(durationMs, signal);
        await this.gate();
      },
    };
  }

  get isDead(): boolean {
    return this.#dead;
  }

  get isPaused(): boolean {
    return this.#resumed !== null;
  }

  kill(): void {
    this.#dead = true;
  }

  pause(): void {
    if (this.#resumed !== null) return;
    this.#resumed = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resumed = null;
    this.#resume();
  }

  async gate(): Promise<void> {
    while (this.#resumed !== null && !this.#dead) await this.#resumed;
    if (this.#dead) await new Promise<never>(() => {});
  }
}
