import type { TwinEvent } from '../twin-event.ts';
import type { TwinEffect } from '../twin-message.ts';

/** A part of a decision. */
export interface CommandWork {
  readonly events: readonly TwinEvent[];
  readonly effects: readonly TwinEffect[];
}

export const NO_WORK: CommandWork = Object.freeze({ events: Object.freeze([]), effects: Object.freeze([]) });
