import { withLatest } from '../latest-telemetry.ts';
import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';

/** Raises neither version nor change number: a device that measures ten times a second changes no document. */
export function evolveTelemetryAdvanced(state: TwinState, { values }: EventOf<'telemetryAdvanced'>): TwinState {
  return { ...state, telemetry: withLatest(state.telemetry, values) };
}
