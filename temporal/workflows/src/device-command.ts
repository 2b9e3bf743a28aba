import { isEnded, wasRefused } from '@breakwater/twin';
import {
  COMMAND_CHANGED,
  COMMAND_QUERY,
  COMMAND_SEARCH_ATTRIBUTES,
  type CommandDocument,
  type DeviceCommandInput,
} from '@breakwater/wire/command-workflow';
import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';

import type { CommandActivities } from './command-activities.ts';
import { type CommandProgressLog, nextStep, type Step } from './next-step.ts';

/** The log may be away for a while: until then the step is tried again, with growing pauses. */
const ACTIVITY = {
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds' },
} as const;

const STATE = defineSearchAttributeKey(COMMAND_SEARCH_ATTRIBUTES.state, SearchAttributeType.KEYWORD);
const CANCELED_BY_OPERATOR = 'canceled in Temporal';

export const commandChanged = defineSignal<[CommandDocument]>(COMMAND_CHANGED);
const commandQuery = defineQuery<CommandDocument | null>(COMMAND_QUERY);

/**
 * The life of one command. Its twin decides where the command stands; this waits, orders again what got no word, has it
 * resent, and asks for the verdict at the deadline. In the usual case it hears of the end before anything is due, and
 * has done nothing but wait.
 *
 * Cancelling the workflow asks the twin to cancel: what may have reached the device goes on, as it does for an operator
 * who does not force it.
 *
 * A device may report its progress for days. Before Temporal's limits for one run are near, the next run takes over
 * what this one knows.
 */
export async function deviceCommand(input: DeviceCommandInput, known?: CommandKnowledge): Promise<CommandDocument> {
  const life = new CommandLife(input, known);
  setHandler(commandChanged, (document) => life.hear(document));
  setHandler(commandQuery, () => life.document);
  const canceled = CancellationScope.current().cancelRequested.catch(() => life.cancelRequested());
  void canceled;
  return CancellationScope.nonCancellable(() => life.run());
}

/** What one run of the workflow hands on to the next. */
interface CommandKnowledge {
  readonly log: CommandProgressLog;
  readonly cancel: 'no' | 'asked';
}

class CommandLife {
  readonly #input: DeviceCommandInput;
  readonly #activities = proxyActivities<CommandActivities>(ACTIVITY);
  #log: CommandProgressLog;
  #cancel: 'no' | 'requested' | 'asked' = 'no';
  #isNews = false;

  constructor(input: DeviceCommandInput, known?: CommandKnowledge) {
    this.#input = input;
    this.#log = known?.log ?? newLog(Date.now());
    this.#cancel = known?.cancel ?? 'no';
  }

  get document(): CommandDocument | null {
    return this.#log.document;
  }

  /** Documents are cumulative and may come twice or late: the one that holds most is the newest. */
  hear(document: CommandDocument): void {
    const known = this.#log.document;
    if (known !== null && !holdsMore(document, known)) return;
    this.#log = { ...this.#log, document, heardAtMs: Date.now() };
    this.#isNews = true;
  }

  cancelRequested(): void {
    if (this.#cancel === 'no') this.#cancel = 'requested';
  }

  async run(): Promise<CommandDocument> {
    for (;;) {
      this.#show();
      const { document } = this.#log;
      if (document !== null && isEnded(document)) return this.#end(document);
      if (this.#cancel === 'requested') {
        this.#cancel = 'asked';
        await this.#activities.cancelCommand(this.#input, CANCELED_BY_OPERATOR);
        continue;
      }
      if (workflowInfo().continueAsNewSuggested) {
        return continueAsNew<typeof deviceCommand>(this.#input, { log: this.#log, cancel: this.#cancel });
      }
      const step = nextStep(this.#input, this.#log);
      const hasWord = await condition(
        () => this.#isNews || this.#cancel === 'requested',
        Math.max(1, step.atMs - Date.now()),
      );
      if (hasWord) continue;
      if (step.kind === 'giveUp') return this.#giveUp();
      await this.#take(step);
    }
  }

  async #take({ kind }: Step): Promise<void> {
    const log = this.#log;
    if (kind === 'order') {
      this.#log = { ...log, orders: log.orders + 1 };
      await this.#activities.orderCommand(this.#input);
    } else if (kind === 'resend') {
      this.#log = { ...log, resends: log.resends + 1, heardAtMs: Date.now() };
      await this.#activities.resendCommand(this.#input, log.document?.attempts ?? 0);
    } else {
      this.#log = { ...log, questions: log.questions + 1, askedAtMs: Date.now() };
      await this.#activities.checkCommand(this.#input);
    }
  }

  /** For those who look at it in Temporal's UI. */
  #show(): void {
    if (!this.#isNews) return;
    this.#isNews = false;
    const { document } = this.#log;
    if (document === null) return;
    upsertSearchAttributes([{ key: STATE, value: document.state }]);
    setCurrentDetails(detailsOf(document));
  }

  #end(document: CommandDocument): CommandDocument {
    // Whoever cancelled it here is to see it cancelled here.
    if (this.#cancel !== 'no' && document.state === 'CANCELED') throw new CancelledFailure(CANCELED_BY_OPERATOR);
    // Only one that failed may be started again under its id: what was refused was never a command of the device.
    if (wasRefused(document)) {
      throw ApplicationFailure.nonRetryable(document.transitions.at(-1)?.reason ?? 'refused', 'TOO_MANY_COMMANDS');
    }
    return document;
  }

  /** The twin has not answered, asked twice: the honest end is that nobody knows. */
  #giveUp(): CommandDocument {
    const { commandId, method, deadlineMs } = this.#input;
    const reason = 'the twin gave no verdict';
    const end = { state: 'TIMED_OUT', atMs: Date.now(), reason } as const;
    const { document, startedAtMs } = this.#log;
    const known = document ?? { commandId, requestId: 0, method, orderedAtMs: startedAtMs, deadlineMs, attempts: 0 };
    const transitions = [...(document?.transitions ?? []), end];
    upsertSearchAttributes([{ key: STATE, value: 'TIMED_OUT' }]);
    return { ...known, state: 'TIMED_OUT', transitions, deliveryUnknown: true };
  }
}

function newLog(nowMs: number): CommandProgressLog {
  return {
    startedAtMs: nowMs,
    document: null,
    heardAtMs: nowMs,
    orders: 0,
    resends: 0,
    questions: 0,
    askedAtMs: 0,
  };
}

function holdsMore(document: CommandDocument, known: CommandDocument): boolean {
  if (document.transitions.length !== known.transitions.length) {
    return document.transitions.length > known.transitions.length;
  }
  if (document.attempts !== known.attempts) return document.attempts > known.attempts;
  return JSON.stringify(document) !== JSON.stringify(known);
}

function detailsOf({ state, transitions, attempts, progress }: CommandDocument): string {
  const lines = transitions.map(({ state: was, atMs, reason }) => {
    const why = reason === undefined ? '' : `: ${reason}`;
    return `- ${new Date(atMs).toISOString()} **${was}**${why}`;
  });
  const done = progress?.percent === undefined ? '' : ` (${progress.percent} %)`;
  return [`**${state}**${done}, given to ${attempts} session(s)`, '', ...lines].join('\n');
}
