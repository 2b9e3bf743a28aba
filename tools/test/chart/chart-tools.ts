import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parseAllDocuments } from 'yaml';

export interface ChartTools {
  readonly programs: Readonly<Record<string, string>>;
  readonly schemas: string;
}

export interface ClusterTools extends ChartTools {
  readonly programs: Readonly<Record<string, string>>;
}

interface FindKubernetes {
  readonly KUBERNETES_VERSION: string;
  findChartTools(env: NodeJS.ProcessEnv): ChartTools | undefined;
  findClusterTools(env: NodeJS.ProcessEnv): ClusterTools | undefined;
}

// Plain JavaScript, because the setup runs it before anything is built.
const FIND_MODULE: string = '../../setup/find-kubernetes.mjs';

export const { KUBERNETES_VERSION, findChartTools, findClusterTools } = (await import(
  FIND_MODULE
)) as unknown as FindKubernetes;

export const rootFolder = fileURLToPath(new URL('../../..', import.meta.url));
export const chartFolder = join(rootFolder, 'deploy', 'helm', 'breakwater');

/** As much of any object of Kubernetes as the tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
  }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[];
  readonly terminationGracePeriodSeconds?: number;
}

export interface Ran {
  readonly status: number | null;
  readonly output: string;
}

const PROGRAM_MS_MAX = 120_000;

export function run(program: string | undefined, args: readonly string[], input?: string): Ran {
  const result = spawnSync(program ?? '', args, {
    encoding: 'utf8',
    timeout: PROGRAM_MS_MAX,
    ...(input === undefined ? {} : { input }),
  });
  return { status: result.status, output: `${result.stdout}${result.stderr}` };
}

/** What `helm template` makes of a value set. @throws when it refuses */
export function renderChart(tools: ChartTools, args: readonly string[]): string {
  const { status, output } = run(tools.programs['helm'], ['template', 'bw', chartFolder, ...args]);
  if (status !== 0) throw new Error(output);
  return output;
}

export function manifestsOf(rendered: string): Manifest[] {
  return parseAllDocuments(rendered)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** The pods that the objects of one rendering describe. */
export function podSpecs(manifests: readonly Manifest[]): PodSpec[] {
  return manifests.flatMap(({ kind, spec }) => {
    if (kind === 'Pod') return [spec as unknown as PodSpec];
    const template = spec?.['template'] as { readonly spec: PodSpec } | undefined;
    return ['Deployment', 'Job'].includes(kind) && template !== undefined ? [template.spec] : [];
  });
}
