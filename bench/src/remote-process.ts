import { type ChildProcess, fork } from 'node:child_process';

interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string; readonly result?: never };

/** What a process of the benchmark can be asked, by name. Results are plain data. */
export type RemoteCalls = Readonly<Record<string, (argument: never) => unknown>>;

/** Serves `calls` to the process that forked this one, and ends with it. */
export function serveCalls(calls: RemoteCalls): void {
  process.on('message', (message) => {
    const { id, name, argument } = message as Call;
    const call = calls[name] as ((argument: unknown) => unknown) | undefined;
    void (async () => {
      try {
        if (call === undefined) throw new Error(`no such call: ${name}`);
        process.send?.({ id, result: await call(argument) });
      } catch (error) {
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      }
    })();
  });
  process.once('disconnect', () => process.exit(0));
}

/** A process of the benchmark, as its parent sees it. */
export class RemoteProcess<Calls extends RemoteCalls> {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(
    path: string,
    options: { readonly args?: readonly string[]; readonly nodeArgs?: readonly string[] } = {},
  ) {
    this.#child = fork(path, [...(options.args ?? [])], { execArgv: [...(options.nodeArgs ?? [])] });
    this.#child.on('message', (message) => {
      const answer = message as Answer;
      const call = this.#open.get(answer.id);
      this.#open.delete(answer.id);
      if ('error' in answer) call?.reject(new Error(answer.error));
      else call?.resolve(answer.result);
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#open.values()) reject(new Error(`a process ended with code ${String(code)}`));
      this.#open.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<Name extends keyof Calls & string>(
    name: Name,
    ...[argument]: Parameters<Calls[Name]>
  ): Promise<Awaited<ReturnType<Calls[Name]>>> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve: (result) => resolve(result as Awaited<ReturnType<Calls[Name]>>), reject });
      this.#child.send({ id, name, argument } satisfies Call);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}
