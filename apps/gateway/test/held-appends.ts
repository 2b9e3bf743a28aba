import type { MemoryEventLog } from '@breakwater/adapter-memory';
import type { AppendRequest, AppendResult, EventLog } from '@breakwater/twin-runtime';

/** The log as one gateway has it, whose appends of what devices said can be held back before they get there. */
export class HeldAppends {
  #released: Promise<void> = Promise.resolve();
  release: () => void = () => undefined;
  /** Appends that wait, or waited. */
  held = 0;
  #isHolding = false;

  hold(): void {
    this.#isHolding = true;
    this.#released = new Promise((resolve) => {
      this.release = () => {
        this.#isHolding = false;
        resolve();
      };
    });
  }

  on(memory: MemoryEventLog): EventLog {
    const append = async (requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> => {
      if (this.#isHolding && requests.some(isOfDevice)) {
        this.held += 1;
        await this.#released;
      }
      return memory.append(requests);
    };
    return {
      append,
      keepProducer: () => memory.keepProducer(),
      fenceProducer: (...given: Parameters<EventLog['fenceProducer']>) => memory.fenceProducer(...given),
    } as unknown as EventLog;
  }
}

function isOfDevice({ lane, body }: AppendRequest): boolean {
  return lane === 'telemetry' || body.includes('"k":"reportState"');
}
