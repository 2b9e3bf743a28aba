import { findTemporal } from './find-temporal.mjs';
import { provideSearched } from './provide-searched.mjs';

/**
 * Says where Temporal's program is. Beside CI `npm start` obtains it while the platform runs, because it can take
 * minutes and no event needs it.
 */
export function provideTemporal(rootFolder, env, { inCi }) {
  const shown = ({ server, path }) => `server ${server}, ${path}`;
  const absent = 'not here yet; npm start obtains it meanwhile';
  const search = { find: findTemporal, script: 'tools/provide-temporal.mjs', shown, absent };
  return provideSearched(search, { rootFolder, env, inCi });
}
