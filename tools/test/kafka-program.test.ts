import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

type Environment = Record<string, string>;
interface Found {
  readonly java: string;
  readonly javaVersion: string;
  readonly jarsFolder: string;
}
interface KafkaModules {
  readonly KAFKA_VERSION: string;
  findKafka(env: Environment): Found | undefined;
  findJava(env: Environment): { readonly path: string } | undefined;
  kafkaCacheFolder(env: Environment): string;
  kafkaJarsFolder(env: Environment): string;
  obtainKafka(
    env: Environment,
    options?: { onWay?: (way: string) => void; canInstall?: () => boolean },
  ): Promise<Found>;
}

const load = async (name: string): Promise<KafkaModules> =>
  (await import(`../setup/${name}.mjs`)) as unknown as KafkaModules;
const { KAFKA_VERSION, findKafka, findJava, kafkaCacheFolder, kafkaJarsFolder } = await load('find-kafka');
const { obtainKafka } = await load('obtain-kafka');

const POM_FILE = new URL('../kafka/pom.xml', import.meta.url);

let folder: string;
let env: Environment;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bw-kafka-'));
  env = { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache') };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(path: string, script: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const java = (path: string, version = '17.0.15'): string => program(path, `echo 'openjdk version "${version}"' >&2`);
const jars = (): void => {
  mkdirSync(kafkaJarsFolder(env), { recursive: true });
  writeFileSync(join(kafkaJarsFolder(env), `kafka_2.13-${KAFKA_VERSION}.jar`), '');
};

describe("Kafka's broker", () => {
  it('is found when its jars and a Java of 17 or newer are here', () => {
    expect(findKafka(env)).toBeUndefined();
    jars();
    expect(findKafka(env)).toBeUndefined();
    const path = java(join(folder, 'bin', 'java'));
    expect(findKafka(env)).toMatchObject({ java: path, javaVersion: '17.0.15', jarsFolder: kafkaJarsFolder(env) });
  });

  it('runs on the Java of JAVA_HOME, and passes over one that is too old', () => {
    const onPath = java(join(folder, 'bin', 'java'));
    const home = join(folder, 'home');
    const named = java(join(home, 'bin', 'java'), '21');
    expect(findJava({ ...env, JAVA_HOME: home })?.path).toBe(named);
    java(named, '1.8.0_392');
    expect(findJava({ ...env, JAVA_HOME: home })?.path).toBe(onPath);
    java(onPath, '11.0.2');
    expect(findJava({ ...env, JAVA_HOME: home })).toBeUndefined();
  });

  it('is of the version that the pom names', () => {
    expect(readFileSync(POM_FILE, 'utf8')).toContain(`<version>${KAFKA_VERSION}</version>`);
    expect(kafkaCacheFolder(env)).toBe(join(folder, 'cache', 'breakwater', `kafka-${KAFKA_VERSION}`));
  });

  it('is brought by Maven, whole or not at all', async () => {
    java(join(folder, 'bin', 'java'));
    const jar = `kafka_2.13-${KAFKA_VERSION}.jar`;
    const target = 'for arg; do case "$arg" in -DoutputDirectory=*) out="${arg#*=}";; esac; done';
    env['PATH'] += ':/usr/bin:/bin';
    program(join(folder, 'bin', 'mvn'), `${target}\nmkdir -p "$out"\necho half > "$out/some.jar"\nexit 1`);
    await expect(obtainKafka(env)).rejects.toThrow(/ended with 1/);
    expect(findKafka(env)).toBeUndefined();
    const ways: string[] = [];
    program(join(folder, 'bin', 'mvn'), `${target}\nmkdir -p "$out"\necho jar > "$out/${jar}"`);
    expect(await obtainKafka(env, { onWay: (way) => ways.push(way) })).toMatchObject({ javaVersion: '17.0.15' });
    expect(ways).toEqual(['Maven']);
  });

  it('is not waited for where who brought it was killed long ago, and somebody else has its process id', async () => {
    java(join(folder, 'bin', 'java'));
    jars();
    const left = join(kafkaCacheFolder(env), `obtaining-${process.ppid}`);
    mkdirSync(left);
    const longAgo = Date.now() / 1_000 - 2 * 60 * 60;
    utimesSync(left, longAgo, longAgo);
    expect(await obtainKafka(env)).toMatchObject({ javaVersion: '17.0.15' });
    expect(existsSync(left)).toBe(false);
  });

  it('is missing with a note of the ways out where Java and Maven are, and cannot be installed', async () => {
    await expect(obtainKafka(env, { canInstall: () => false })).rejects.toThrow(
      /missing: default-jre-headless, maven\nWays out: [^]*KAFKA_BROKERS/,
    );
  });
});
