import { prepareNamespace } from '@breakwater/adapter-temporal';
import type { Logger } from '@breakwater/observability';
import type { Clock } from '@breakwater/twin-runtime';
import { COMMAND_TASK_QUEUE } from '@breakwater/wire';
import type { CommandActivities } from '@breakwater/workflows';
import { type Logger as SdkLogger, NativeConnection, Worker, type WorkflowBundle } from '@temporalio/worker';

import type { TemporalWorkerSettings } from './read-temporal-worker-settings.ts';
import { workflowBundle } from './workflow-bundle.ts';

export interface CommandWorkerOptions {
  readonly settings: TemporalWorkerSettings;
  readonly activities: CommandActivities;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes what the bundler says of its work. */
  readonly sdkLogger: SdkLogger;
}

const PREPARE_TIMEOUT_MS = 10_000;
const REST_MS_MIN = 500;
const REST_MS_MAX = 15_000;

/** Temporal's worker, kept running: it is made anew when Temporal was not there, or when it failed. */
export class CommandWorker {
  readonly #options: CommandWorkerOptions;
  readonly #stop = new AbortController();
  #worker: Worker | null = null;
  #loop: Promise<void> = Promise.resolve();
  #bundle: WorkflowBundle | null = null;
  trouble: string | null = 'it has not connected yet';

  constructor(options: CommandWorkerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#worker?.getState() === 'RUNNING') this.#worker.shutdown();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, logger, settings } = this.#options;
    const { signal } = this.#stop;
    if (settings.temporalAddress === '') return;
    let restMs = REST_MS_MIN;
    while (!signal.aborted) {
      try {
        await this.#serve();
        restMs = REST_MS_MIN;
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        if (this.trouble !== detail) logger.warn({ err: error }, 'workflows of commands are not run at the moment');
        this.trouble = detail;
      }
      await clock.sleep(restMs, signal).catch(() => undefined);
      restMs = Math.min(2 * restMs, REST_MS_MAX);
    }
  }

  async #serve(): Promise<void> {
    const { settings, activities, logger } = this.#options;
    const { temporalAddress: address, temporalNamespace: namespace, temporalTls } = settings;
    const connection = await NativeConnection.connect({ address, tls: temporalTls === 'true' });
    try {
      // A Temporal that does not answer is tried again, as one is that cannot be reached.
      await connection.withDeadline(Date.now() + PREPARE_TIMEOUT_MS, () =>
        prepareNamespace(connection, { namespace, retentionDays: settings.temporalRetentionDays }),
      );
      this.#bundle ??= await workflowBundle(this.#options.sdkLogger);
      this.#worker = await Worker.create({
        connection,
        namespace,
        taskQueue: COMMAND_TASK_QUEUE,
        workflowBundle: this.#bundle,
        activities: methodsOf(activities),
        maxCachedWorkflows: settings.workflowsCachedMax,
        maxConcurrentWorkflowTaskExecutions: settings.workflowTasksMax,
        maxConcurrentActivityTaskExecutions: settings.activityTasksMax,
      });
      this.trouble = null;
      logger.info({ address, namespace }, 'workflows of commands are run');
      if (!this.#stop.signal.aborted) await this.#worker.run();
    } finally {
      this.#worker = null;
      await connection.close();
    }
  }
}

/** Temporal takes functions by their names, and knows nothing of objects. */
function methodsOf(activities: CommandActivities): CommandActivities {
  return {
    orderCommand: (input) => activities.orderCommand(input),
    resendCommand: (input, dispatch) => activities.resendCommand(input, dispatch),
    checkCommand: (input) => activities.checkCommand(input),
    cancelCommand: (input, reason) => activities.cancelCommand(input, reason),
  };
}
