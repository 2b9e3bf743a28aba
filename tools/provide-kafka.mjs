// Finds the jars of a Kafka broker and a Java that runs them, or obtains them; with `--find` it only looks. `found` has
// `java`, `javaVersion`, `jarsFolder` and `version`.
import { findKafka } from './setup/find-kafka.mjs';
import { obtainKafka } from './setup/obtain-kafka.mjs';
import { printSearch } from './setup/print-search.mjs';

await printSearch({
  find: findKafka,
  obtain: obtainKafka,
  missing: 'the jars of Kafka, or a Java that runs them, are not on this machine',
});
