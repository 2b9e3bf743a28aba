import { RecencyMap } from '../protection/recency-map.ts';
import { ResendMemory } from '../session/resend-memory.ts';

/** More than a connection can have in process, so that none is forgotten while something of it is. */
export const BRIDGED_DEVICES_MIN = 65_536;

/**
 * What bridged devices sent last, over all connections to the other broker. They have no sessions whose end would say
 * that a memory is not needed for now.
 */
export class BridgedMemories {
  readonly #entriesMax: number;
  readonly #memories: RecencyMap<ResendMemory>;

  constructor({ resendEntriesMax, resendDevicesMax }: { resendEntriesMax: number; resendDevicesMax: number }) {
    this.#entriesMax = resendEntriesMax;
    this.#memories = new RecencyMap(Math.max(BRIDGED_DEVICES_MIN, resendDevicesMax));
  }

  /** @param sessionKey names the device in one of its lives. */
  of(sessionKey: string): ResendMemory {
    const known = this.#memories.get(sessionKey);
    if (known !== undefined) return known;
    const memory = new ResendMemory(this.#entriesMax);
    this.#memories.set(sessionKey, memory);
    return memory;
  }
}
