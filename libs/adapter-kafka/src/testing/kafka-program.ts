import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { KafkaProgram } from '../broker/broker-command.ts';

const PROVIDE_KAFKA = fileURLToPath(new URL('../../../../tools/provide-kafka.mjs', import.meta.url));

/** Only looks; setup obtains it in CI. Undefined where there is none. */
export function findKafkaProgram(): KafkaProgram | undefined {
  const result = spawnSync(process.execPath, [PROVIDE_KAFKA, '--find'], { encoding: 'utf8' });
  const last = JSON.parse(result.stdout.trimEnd().split('\n').at(-1) ?? '{}') as { event?: string } & KafkaProgram;
  return last.event === 'found' ? { java: last.java, jarsFolder: last.jarsFolder } : undefined;
}

/**
 * True when a broker can be started. Where there is no Java, or no jars, tests that need it are skipped by name; in CI
 * it must be there, so that a skip is a failure.
 */
export function kafkaAvailable(): boolean {
  return process.env['CI'] === 'true' || findKafkaProgram() !== undefined;
}
