import { findChartTools, findClusterTools, hasClusterPrograms } from './find-kubernetes.mjs';
import { obtainChartTools, obtainClusterTools, provideEtcd } from './obtain-kubernetes.mjs';
import { SetupRefused } from './run-step.mjs';

/**
 * With CI=true what the checks of the chart need is obtained. The API server takes a quarter of an hour to build, so
 * only FULL=1 builds it; where an earlier run left it, its tests run too.
 */
export function provideKubernetes(env, { inCi, isFull }) {
  try {
    if (inCi) obtainChartTools(env);
    if (inCi && hasClusterPrograms(env)) provideEtcd(env);
    if (isFull) obtainClusterTools(env);
  } catch (error) {
    if (!(error instanceof SetupRefused)) throw error;
    return { detail: `missing: ${error.message}` };
  }
  if (findClusterTools(env) !== undefined) return { detail: 'chart tools, API server' };
  return { detail: findChartTools(env) === undefined ? 'not here (node tools/provide-kubernetes.mjs)' : 'chart tools' };
}
