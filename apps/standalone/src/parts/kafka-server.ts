import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { brokerCommand, brokerProperties, formatCommand, type KafkaProgram } from '@breakwater/adapter-kafka';

import { readIfPresent, writeAtomically } from '../data-folder.ts';
import type { Part } from '../supervise/part.ts';
import { StartRefused } from '../start-refused.ts';

const FORMAT_TIMEOUT_MS = 60_000;
const CLUSTER_ID_BYTES = 16;
const LAST_WORDS_LENGTH = 600;
const runProgram = promisify(execFile);

export interface KafkaServerOptions {
  readonly program: KafkaProgram;
  readonly dataFolder: string;
  readonly heapMegabytes: number;
  readonly brokerPort: number;
  readonly controllerPort: number;
  readonly startLevel: number;
  readonly stopLevel: number;
  /** Whether it serves, and has the topics. Must answer or fail quickly. */
  readonly probe: () => Promise<boolean>;
}

/** One broker of Kafka on loopback: broker and controller in one process, for a log that is larger than memory. */
export function kafkaPart(options: KafkaServerOptions): Part {
  const { program, heapMegabytes: heapMb, startLevel, stopLevel, probe, brokerPort, controllerPort } = options;
  const command = brokerCommand({ ...program, heapMb, propertiesFile: propertiesFileOf(options) });
  return {
    name: 'kafka',
    command: command.program,
    args: command.args,
    env: {},
    startLevel,
    stopLevel,
    ports: { kafka: brokerPort, controller: controllerPort },
    probe,
  };
}

/**
 * Writes the broker's settings, which name this start's ports, and lays its data folder out where that was not done.
 * @throws StartRefused
 */
export async function prepareKafka(options: KafkaServerOptions): Promise<void> {
  const { program, dataFolder, heapMegabytes: heapMb, brokerPort, controllerPort } = options;
  const node = { nodeId: 1, brokerPort, controllerPort };
  const dataDir = join(dataFolder, 'kafka', 'data');
  const properties = brokerProperties({ ...node, nodes: [node], dataDir, minInsyncReplicas: 1 });
  writeAtomically(propertiesFileOf(options), properties);
  if (readIfPresent(join(dataDir, 'meta.properties')) !== undefined) return;
  const clusterId = randomBytes(CLUSTER_ID_BYTES).toString('base64url');
  const format = formatCommand({ ...program, heapMb, propertiesFile: propertiesFileOf(options) }, clusterId);
  try {
    await runProgram(format.program, [...format.args], { timeout: FORMAT_TIMEOUT_MS });
  } catch (error) {
    const said = (error as { readonly stderr?: unknown }).stderr;
    const words = typeof said === 'string' && said !== '' ? said : String(error);
    throw new StartRefused('PART_START_FAILED', `Kafka's data folder: ${words.slice(-LAST_WORDS_LENGTH)}`);
  }
}

function propertiesFileOf({ dataFolder }: Pick<KafkaServerOptions, 'dataFolder'>): string {
  return join(dataFolder, 'kafka', 'server.properties');
}
