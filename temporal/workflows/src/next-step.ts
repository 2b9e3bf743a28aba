import { rankOf } from '@breakwater/twin';
import type { CommandDocument, DeviceCommandInput } from '@breakwater/wire/command-workflow';

/** How long the twin may take to say that it was ordered something, before it is ordered again. */
const ORDER_WORD_MS = 5_000;
const ORDER_WORD_MS_MAX = 60_000;
/** How long after its deadline a command may wait for the verdict of its twin; then the twin is asked for it. */
export const VERDICT_GRACE_MS = 30_000;
const VERDICT_QUESTIONS_MAX = 2;

/** What the workflow has done and heard. */
export interface CommandProgressLog {
  readonly startedAtMs: number;
  readonly document: CommandDocument | null;
  /** When the newest document came. */
  readonly heardAtMs: number;
  readonly orders: number;
  readonly resends: number;
  readonly questions: number;
  /** When the twin was last asked for its verdict; 0: never. */
  readonly askedAtMs: number;
}

export type Step = { readonly kind: 'order' | 'resend' | 'ask' | 'giveUp'; readonly atMs: number };

/**
 * What is to be done next unless word comes before. Pure: a function of what was done and heard, so that every wait of
 * the workflow is for exactly this.
 */
export function nextStep(input: DeviceCommandInput, log: CommandProgressLog): Step {
  // Counted from the question: where nobody ran this workflow for a while, the answer may still be on its way.
  const verdictAtMs = Math.max(input.deadlineMs, log.askedAtMs) + VERDICT_GRACE_MS;
  const verdict: Step = { kind: log.questions < VERDICT_QUESTIONS_MAX ? 'ask' : 'giveUp', atMs: verdictAtMs };
  const sooner = log.document === null ? orderAgain(log) : resendAgain(input, log.document, log);
  return sooner !== null && sooner.atMs < Math.min(verdictAtMs, input.deadlineMs) ? sooner : verdict;
}

/** The API orders too, right after the start: normally the twin has spoken before this is due. */
function orderAgain({ startedAtMs, orders }: CommandProgressLog): Step {
  let atMs = startedAtMs;
  for (let order = 0; order <= orders; order++) atMs += Math.min(ORDER_WORD_MS * 2 ** order, ORDER_WORD_MS_MAX);
  return { kind: 'order', atMs };
}

function resendAgain({ retry }: DeviceCommandInput, document: CommandDocument, log: CommandProgressLog): Step | null {
  if (document.attempts === 0 || rankOf(document.state) >= rankOf('DELIVERED')) return null;
  if (log.resends + 1 >= retry.attempts) return null;
  const backOffMs = Math.min(retry.initialMs * 2 ** log.resends, retry.maxMs);
  return { kind: 'resend', atMs: log.heardAtMs + backOffMs };
}
