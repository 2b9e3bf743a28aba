import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { brokerCommand, type Command, formatCommand, type KafkaProgram } from '../broker/broker-command.ts';
import { type BrokerNode, brokerProperties } from '../broker/broker-properties.ts';

export interface KafkaBrokerOptions {
  readonly node: BrokerNode;
  readonly nodes: readonly BrokerNode[];
  readonly clusterId: string;
  readonly folder: string;
  readonly program: KafkaProgram;
  readonly heapMb: number;
  readonly properties: Readonly<Record<string, string | number>>;
  readonly optimised: boolean;
}

/** Half the time to start; a broker that is not measured lives too short to be worth more. */
const QUICK_START = ['-XX:TieredStopAtLevel=1', '-Xshare:auto', '-XX:-UsePerfData'];
const LAST_WORDS_LENGTH = 2_000;

/** One real broker, which can be ended in every way. Signals and restarts leave its data where they are. */
export class KafkaBroker {
  readonly #options: KafkaBrokerOptions;
  readonly #propertiesFile: string;
  readonly #outputFile: string;
  #child: ChildProcess | null = null;

  constructor(options: KafkaBrokerOptions) {
    this.#options = options;
    this.#propertiesFile = join(options.folder, 'server.properties');
    this.#outputFile = join(options.folder, 'output.log');
  }

  get nodeId(): number {
    return this.#options.node.nodeId;
  }

  get address(): string {
    return `127.0.0.1:${this.#options.node.brokerPort}`;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** It ended, and nobody asked for it. */
  get hasFailed(): boolean {
    return this.#child !== null && this.#child.exitCode !== null && this.#child.exitCode !== 0;
  }

  async format(): Promise<void> {
    const { node, nodes, folder, clusterId, properties } = this.#options;
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { recursive: true });
    const minInsyncReplicas = nodes.length > 1 ? 2 : 1;
    const text = brokerProperties({ ...node, nodes, dataDir, minInsyncReplicas, extra: properties });
    await writeFile(this.#propertiesFile, text);
    const child = this.#spawn(formatCommand(this.#commandOptions(), clusterId));
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the data folder could not be prepared: ${await this.lastWords()}`);
  }

  /** Answers before the broker takes requests; see `KafkaCluster.ready`. */
  start(): void {
    if (this.isRunning) throw new Error(`broker ${this.nodeId} is running`);
    this.#child = this.#spawn(brokerCommand(this.#commandOptions()));
  }

  /** SIGSTOP, SIGCONT, and others that do not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** In order: it hands its partitions over first. */
  terminate(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async lastWords(): Promise<string> {
    return (await readFile(this.#outputFile, 'utf8').catch(() => '')).slice(-LAST_WORDS_LENGTH);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    this.#child = null;
  }

  #commandOptions(): Parameters<typeof brokerCommand>[0] {
    const { program, heapMb, optimised } = this.#options;
    const javaOptions = optimised ? [] : QUICK_START;
    return { ...program, heapMb, javaOptions, propertiesFile: this.#propertiesFile };
  }

  #spawn({ program, args }: Command): ChildProcess {
    const output = openSync(this.#outputFile, 'a');
    try {
      return spawn(program, args, { stdio: ['ignore', output, output] });
    } finally {
      closeSync(output);
    }
  }
}
