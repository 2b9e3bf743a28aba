import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { findProgram, isProgram } from './find-program.mjs';

/** What the chart is written and checked for. */
export const KUBERNETES_VERSION = '1.34.1';

/** Carries the JSON schemas of many versions of Kubernetes; ours is `SCHEMAS_FOLDER` in it. */
export const SCHEMAS_PACKAGE = 'kubernetes-validate==1.37.0';
export const SCHEMAS_FOLDER = 'v1.34.0-local-strict';

const HELM_VERSION = '3.19.0';
const [MAJOR, MINOR] = KUBERNETES_VERSION.split('.');
const component = 'k8s.io/component-base/version';
const chartutil = 'helm.sh/helm/v3/pkg/chartutil';

/**
 * A folder of tools/kubernetes with a go.mod for each: programs whose requirements do not go together cannot share one.
 * The variables are what their own makefiles set; without them they do not know which version they are.
 */
export const GO_MODULES = {
  charts: {
    programs: {
      kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform',
      helm: 'helm.sh/helm/v3/cmd/helm',
    },
    variables: {
      'helm.sh/helm/v3/internal/version.version': `v${HELM_VERSION}`,
      [`${chartutil}.k8sVersionMajor`]: MAJOR,
      [`${chartutil}.k8sVersionMinor`]: MINOR,
    },
  },
  'kube-score': { programs: { 'kube-score': 'github.com/zegl/kube-score/cmd/kube-score' }, variables: {} },
  kwok: { programs: { kwok: 'sigs.k8s.io/kwok/cmd/kwok' }, variables: {} },
  cluster: {
    programs: {
      'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
    },
    variables: {
      [`${component}.gitVersion`]: `v${KUBERNETES_VERSION}`,
      [`${component}.gitMajor`]: MAJOR,
      [`${component}.gitMinor`]: MINOR,
      [`${component}.gitTreeState`]: 'clean',
    },
  },
};

/** Modules that carry the definitions of resources which the chart has and Kubernetes itself does not. */
export const RESOURCE_MODULES = [
  {
    module: 'github.com/kedacore/keda/v2@v2.21.0',
    files: ['config/crd/bases/keda.sh_scaledobjects.yaml', 'config/crd/bases/keda.sh_triggerauthentications.yaml'],
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['servicemonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
  },
];

export function moduleFolder(name) {
  return fileURLToPath(new URL(`../kubernetes/${name}`, import.meta.url));
}

/** Outside of the clone, because it takes minutes to make; its names say what was asked for, so a change makes anew. */
export function kubernetesCacheFolder(env) {
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(cache, 'breakwater', 'kubernetes');
}

export function programFolder(env, name) {
  const wanted = [
    readFileSync(join(moduleFolder(name), 'go.mod'), 'utf8'),
    JSON.stringify(GO_MODULES[name].variables),
  ].join('\n');
  return join(kubernetesCacheFolder(env), `${name}-${digestOf(wanted)}`);
}

/** Schemas of Kubernetes (`SCHEMAS_FOLDER`), of the other resources (`resources`), and their definitions (`crds`). */
export function schemasFolder(env) {
  return join(
    kubernetesCacheFolder(env),
    `schemas-${digestOf(JSON.stringify([SCHEMAS_PACKAGE, SCHEMAS_FOLDER, RESOURCE_MODULES]))}`,
  );
}

/** Helm, kubeconform, kube-score and the schemas; undefined unless all are here. */
export function findChartTools(env) {
  const programs = programsOf(env, ['charts', 'kube-score']);
  const schemas = schemasFolder(env);
  return programs === undefined || !existsSync(schemas) ? undefined : { programs, schemas };
}

/** What a control plane with played nodes needs beside them; undefined unless all are here. */
export function findClusterTools(env) {
  const chart = findChartTools(env);
  const programs = programsOf(env, ['kwok', 'cluster']);
  const etcd = findProgram('etcd', env);
  if (chart === undefined || programs === undefined || etcd === undefined) return undefined;
  return { programs: { ...chart.programs, ...programs, etcd }, schemas: chart.schemas };
}

/** Whether the programs are here that take long to build: then the little that is missing may be installed. */
export function hasClusterPrograms(env) {
  return programsOf(env, ['kwok', 'cluster']) !== undefined;
}

function programsOf(env, modules) {
  const found = modules.flatMap((name) =>
    Object.keys(GO_MODULES[name].programs).map((program) => [program, join(programFolder(env, name), program)]),
  );
  return found.every(([, path]) => isProgram(path)) ? Object.fromEntries(found) : undefined;
}

function digestOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
