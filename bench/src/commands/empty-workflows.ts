import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Client, Connection } from '@temporalio/client';

import { allOf } from './all-of.ts';

const TASK_QUEUE = 'bench-empty';
const EMPTY_WORKFLOW = 'emptyWorkflow';
const FINISH = 'finish';

/** Temporal of the installation under test: the yardstick, and the proof that workflows of commands have closed. */
export class EmptyWorkflows {
  readonly #connection: Connection;
  readonly #client: Client;
  readonly #worker: ChildProcess;

  private constructor(connection: Connection, namespace: string, worker: ChildProcess) {
    this.#connection = connection;
    this.#client = new Client({ connection, namespace });
    this.#worker = worker;
  }

  static async start(address: string, namespace: string): Promise<EmptyWorkflows> {
    const worker = fork(fileURLToPath(new URL('./empty-worker-process.js', import.meta.url)), [
      address,
      namespace,
      TASK_QUEUE,
    ]);
    const ready = once(worker, 'message');
    const ended = once(worker, 'exit').then(() => Promise.reject(new Error('the worker of empty workflows ended')));
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
    return new EmptyWorkflows(await Connection.connect({ address }), namespace, worker);
  }

  get pid(): number {
    return this.#worker.pid ?? 0;
  }

  /** Workflows per second: each is started, told once, and waited for until it has closed. */
  async rate(count: number, atOnce: number): Promise<number> {
    const startedAt = performance.now();
    await allOf(count, atOnce, async () => {
      const workflowId = `bench-empty-${randomUUID()}`;
      const handle = await this.#client.workflow.start(EMPTY_WORKFLOW, { workflowId, taskQueue: TASK_QUEUE });
      await handle.signal(FINISH);
      await handle.result();
    });
    return (count * 1_000) / (performance.now() - startedAt);
  }

  /** Waits until a workflow has closed. */
  async closed(workflowId: string): Promise<void> {
    await this.#client.workflow.getHandle(workflowId).result();
  }

  async stop(): Promise<void> {
    const ended = once(this.#worker, 'exit');
    this.#worker.disconnect();
    await ended;
    await this.#connection.close();
  }
}
