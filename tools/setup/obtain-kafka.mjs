// Obtains a Kafka broker for a machine that has none: its jars come through Maven, and Java and Maven, where they are
// missing, from Debian's packages when this runs as root.
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { canInstallWithApt, installWithApt } from './apt-packages.mjs';
import { findJava, findKafka, holdsKafka, JAVA_MAJOR_MIN, kafkaCacheFolder, kafkaJarsFolder } from './find-kafka.mjs';
import { findProgram } from './find-program.mjs';
import { inCacheFolder, runToEnd } from './obtain-in-cache.mjs';
import { SetupRefused } from './run-step.mjs';

const POM_FILE = fileURLToPath(new URL('../kafka/pom.xml', import.meta.url));
const MAVEN_TIMEOUT_MS = 10 * 60_000;

const waysOut = (env) =>
  [
    `Ways out: install Java ${JAVA_MAJOR_MIN} or newer and Maven (Debian/Ubuntu: \`sudo apt-get install default-jre-headless`,
    `maven\`, macOS: \`brew install openjdk maven\`), or put the jars of a download of Kafka into ${kafkaJarsFolder(env)}.`,
    'Without them everything works but EVENT_LOG=kafka on a broker of our own; a Kafka elsewhere is named by KAFKA_BROKERS.',
  ].join('\n');

/**
 * Finds the broker after it was obtained. `onWay` hears what is being done.
 * @throws SetupRefused with the ways out
 */
export async function obtainKafka(env, { onWay = () => undefined, canInstall = canInstallWithApt } = {}) {
  return inCacheFolder(kafkaCacheFolder(env), async (work) => {
    const before = findKafka(env);
    if (before !== undefined) return before;
    installMissing(env, { onWay, canInstall });
    if (!holdsKafka(kafkaJarsFolder(env))) {
      onWay('Maven');
      const jars = join(work, 'jars');
      const args = ['-B', '-q', '-f', POM_FILE, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`];
      await runToEnd(findProgram('mvn', env), [...args, '-DincludeScope=runtime'], {
        env,
        timeoutMs: MAVEN_TIMEOUT_MS,
      });
      // Whole or not at all: others look for it while it comes.
      renameSync(jars, kafkaJarsFolder(env));
    }
    const found = findKafka(env);
    if (found === undefined) throw new SetupRefused(`Kafka's jars could not be obtained.\n${waysOut(env)}`);
    return found;
  });
}

function installMissing(env, { onWay, canInstall }) {
  const packages = [
    ...(findJava(env) === undefined ? ['default-jre-headless'] : []),
    ...(holdsKafka(kafkaJarsFolder(env)) || findProgram('mvn', env) !== undefined ? [] : ['maven']),
  ];
  if (packages.length === 0) return;
  if (!canInstall()) throw new SetupRefused(`missing: ${packages.join(', ')}\n${waysOut(env)}`);
  onWay(`apt (${packages.join(', ')})`);
  installWithApt(packages);
}
