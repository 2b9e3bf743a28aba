import { findKafka } from './find-kafka.mjs';
import { provideSearched } from './provide-searched.mjs';

/** Says where Kafka's broker is. Beside CI only `EVENT_LOG=kafka npm start` needs it, and obtains it then. */
export function provideKafka(rootFolder, env, { inCi }) {
  const shown = ({ version, javaVersion, jarsFolder }) => `${version} on Java ${javaVersion}, ${jarsFolder}`;
  const absent = 'not here; EVENT_LOG=kafka obtains it';
  const search = { find: findKafka, script: 'tools/provide-kafka.mjs', shown, absent };
  return provideSearched(search, { rootFolder, env, inCi });
}
