// Finds the program `temporal`, or obtains it, which can take minutes; with `--find` it only looks. `found` has `path`
// and `server`, its version.
import { findTemporal } from './setup/find-temporal.mjs';
import { obtainTemporal } from './setup/obtain-temporal.mjs';
import { printSearch } from './setup/print-search.mjs';

await printSearch({
  find: findTemporal,
  obtain: obtainTemporal,
  missing: 'there is no Temporal CLI on this machine',
});
