/** What a simulated device does with a command: most succeed at once, some are slow, a few fail. */

/** Of a hundred commands. */
const FAILING = 3;
const SLOW = 5;
const SLOW_MS = 2_000;
/** How much of a slow command is done when the device tells of it. */
const PROGRESS_PERCENT = 50;

export interface CommandStep {
  readonly afterMs: number;
  readonly tail: 'progress' | 'response';
  readonly payload: object;
}

/** The steps of the device's `nth` command, so that a run is like the one before. */
export function answersTo(nth: number, method: string, isAllPrompt: boolean): readonly CommandStep[] {
  const result = { method, nth };
  const success: CommandStep = { afterMs: 0, tail: 'response', payload: { status: 'SUCCEEDED', result } };
  // The first ones succeed: whoever tries a command out is not met by a failure.
  const left = 99 - (nth % 100);
  if (isAllPrompt || left >= FAILING + SLOW) return [success];
  if (left < FAILING) {
    return [{ ...success, payload: { status: 'FAILED', reason: 'simulated devices fail now and then' } }];
  }
  const progress = { percent: PROGRESS_PERCENT, note: 'this one takes a while' };
  return [
    { afterMs: SLOW_MS / 2, tail: 'progress', payload: progress },
    { ...success, afterMs: SLOW_MS },
  ];
}

/** `{method}` of a request, or null when it is none that can be read. */
export function methodOf(payload: string): string | null {
  try {
    const { method } = JSON.parse(payload) as { method?: unknown };
    return typeof method === 'string' ? method : null;
  } catch {
    return null;
  }
}
