/**
 * What a gateway does when it has too much in hand, in this order: acknowledgements are withheld by themselves, because
 * they wait for the log; then sockets are read one message at a time; then QoS 0 is shed; then nobody new is let in.
 * Each step follows from the bytes that wait for the log, or from the memory of the process. None of them closes a
 * connection that stands, so when the load is gone everything goes on, and nobody has to come back.
 */
export const OVERLOAD_MEASURES = ['withhold', 'stopReading', 'shed', 'refuseConnects'] as const;
export type OverloadMeasure = (typeof OVERLOAD_MEASURES)[number];

/** Shares of the memory of the process from which on each measure is taken. */
const MEMORY_STEPS = { stopReading: 0.8, shed: 0.88, refuseConnects: 0.94 } as const;

export interface OverloadGuardOptions {
  readonly queue: {
    readonly load: number;
    /** Its bytes are above the first limit, or were, and not far below it yet. */
    readonly isPressed: boolean;
    /** Some append is repeated, because the log is full or silent. */
    readonly isWithheld: boolean;
    shedsAll: boolean;
  };
  readonly memory: { readonly share: number; sample(): void };
  readonly limits: { readonly shedBytes: number; readonly refuseConnectsBytes: number };
  readonly setPressure: (isHigh: boolean) => void;
}

export class OverloadGuard {
  readonly #options: OverloadGuardOptions;

  constructor(options: OverloadGuardOptions) {
    this.#options = options;
  }

  /** The queue came above its first limit, or went below it. Beside `sweep`, since a flood fills it between two. */
  queueChanged(): void {
    const { queue, memory, setPressure } = this.#options;
    setPressure(queue.isPressed || memory.share >= MEMORY_STEPS.stopReading);
  }

  sweep(): void {
    const { queue, memory } = this.#options;
    memory.sample();
    queue.shedsAll = memory.share >= MEMORY_STEPS.shed;
    this.queueChanged();
  }

  /** Why nobody new is let in; null when they are. */
  refusal(): string | null {
    const { queue, memory, limits } = this.#options;
    if (queue.load > limits.refuseConnectsBytes) return 'too much waits for the event log';
    return memory.share >= MEMORY_STEPS.refuseConnects ? 'the gateway has no memory to spare' : null;
  }

  isTaken(measure: OverloadMeasure): boolean {
    const { queue, memory, limits } = this.#options;
    switch (measure) {
      case 'withhold':
        return queue.isWithheld;
      case 'stopReading':
        return queue.isPressed || memory.share >= MEMORY_STEPS.stopReading;
      case 'shed':
        return queue.load > limits.shedBytes || queue.shedsAll;
      case 'refuseConnects':
        return this.refusal() !== null;
    }
  }
}
