import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { findProgram, isProgram } from './find-program.mjs';

/** As in tools/kafka/pom.xml. */
export const KAFKA_VERSION = '4.1.0';

/** Brokers of Kafka 4 run on nothing older. */
export const JAVA_MAJOR_MIN = 17;
const VERSION_TIMEOUT_MS = 20_000;

/** Outside of the clone and of the data, because it is the same for all of them. */
export function kafkaCacheFolder(env) {
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(cache, 'breakwater', `kafka-${KAFKA_VERSION}`);
}

/** Where the jars are, or will be. Whoever has a download of Kafka can put the contents of its `libs` there. */
export function kafkaJarsFolder(env) {
  return join(kafkaCacheFolder(env), 'jars');
}

/** A broker's jars and the Java that runs them; undefined when one of them is missing. */
export function findKafka(env) {
  const java = findJava(env);
  const jarsFolder = kafkaJarsFolder(env);
  if (java === undefined || !holdsKafka(jarsFolder)) return undefined;
  return { java: java.path, javaVersion: java.version, jarsFolder, version: KAFKA_VERSION };
}

/** JAVA_HOME, then PATH; one that is too old is passed over. */
export function findJava(env) {
  const named = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : undefined;
  const paths = [named !== undefined && isProgram(named) ? named : undefined, findProgram('java', env)];
  for (const path of paths) {
    if (path === undefined) continue;
    const version = javaVersion(path);
    if (version !== undefined && Number(version.split('.')[0]) >= JAVA_MAJOR_MIN) return { path, version };
  }
  return undefined;
}

export function holdsKafka(folder) {
  return existsSync(folder) && readdirSync(folder).some((name) => /^kafka_2\.\d+-4\..*\.jar$/.test(name));
}

/** "17.0.15" for `openjdk version "17.0.15" 2025-04-15`, which Java prints to stderr. */
function javaVersion(path) {
  const result = spawnSync(path, ['-version'], { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS });
  return /version "(\d[\d.]*)/.exec(`${result.stderr ?? ''}${result.stdout ?? ''}`)?.[1];
}
