import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { chartFolder, findClusterTools, type ChartTools } from './chart-tools.ts';
import { ControlPlane } from './control-plane.ts';

/**
 * The chart on a real API server: what it accepts, what its controllers make of it, and the way of Helm through
 * install, upgrade, scale and roll back. Pods are played: that the processes run is tested elsewhere.
 */
interface Deployment {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
  };
  readonly status: Readonly<Record<string, number | undefined>>;
}

const NAMESPACE = 'bw';
const RELEASE = 'bw';
const NODES = ['one', 'two', 'three'];
const START_MS_MAX = 240_000;
const STEP_MS_MAX = 300_000;
const HELM_TIMEOUT = '240s';
const PAUSE_MS = 200;
const GROUP = {
  deployments: `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`,
  autoscalers: `/apis/autoscaling/v2/namespaces/${NAMESPACE}/horizontalpodautoscalers`,
  budgets: `/apis/policy/v1/namespaces/${NAMESPACE}/poddisruptionbudgets`,
  policies: `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/networkpolicies`,
  scaledObjects: `/apis/keda.sh/v1alpha1/namespaces/${NAMESPACE}/scaledobjects`,
  monitors: `/apis/monitoring.coreos.com/v1/namespaces/${NAMESPACE}/servicemonitors`,
  rules: `/apis/monitoring.coreos.com/v1/namespaces/${NAMESPACE}/prometheusrules`,
  pods: `/api/v1/namespaces/${NAMESPACE}/pods`,
} as const;

const execute = promisify(execFile);
const found = findClusterTools(process.env);

(found === undefined ? describe.skip : describe)('the chart on an API server (needs npm run test:k8s)', () => {
  const tools = found as ChartTools;
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await ControlPlane.start(tools, NODES);
    await applyDefinitions();
    // The strictest level of Pod Security: a pod that asks for more is refused by the server itself.
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await plane.api.create('/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE, labels },
    });
  }, START_MS_MAX);

  afterAll(() => plane?.stop(), START_MS_MAX);

  async function applyDefinitions(): Promise<void> {
    const folder = join(tools.schemas, 'crds');
    for (const file of readdirSync(folder)) {
      const definition = parse(readFileSync(join(folder, file), 'utf8')) as { readonly metadata: { name: string } };
      const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      await plane.api.create(path, definition);
      interface Definition {
        readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
      }
      await until(`${file} is served`, async () => {
        const { status } = await plane.api.get<Definition>(`${path}/${definition.metadata.name}`);
        return status?.conditions?.some((each) => each.type === 'Established' && each.status === 'True') ?? false;
      });
    }
  }

  /** Not in the foreground: while it waits for pods, this process has to bind them. @throws with what Helm said */
  async function helm(command: string, ...args: readonly string[]): Promise<void> {
    const options = ['--kubeconfig', plane.kubeconfig, '--namespace', NAMESPACE];
    await execute(tools.programs['helm'] ?? '', [command, RELEASE, ...args, ...options], { timeout: STEP_MS_MAX });
  }

  const values = ['--values', join(chartFolder, 'ci', 'kafka.yaml')];
  const watched = ['serviceMonitor', 'prometheusRule', 'dashboards'].flatMap((what) => [
    '--set',
    `${what}.enabled=true`,
  ]);
  const wait = ['--wait', '--wait-for-jobs', '--timeout', HELM_TIMEOUT];
  const set = (...settings: readonly string[]): string[] => [
    ...settings.flatMap((setting) => ['--set', setting]),
    ...values,
    ...watched,
    ...wait,
  ];
  const deployments = (): Promise<readonly Deployment[]> => plane.api.list<Deployment>(GROUP.deployments);
  const names = async (path: string): Promise<string[]> =>
    (await plane.api.list<Deployment>(path)).map(({ metadata }) => metadata.name).sort();

  async function settled(replicas: Readonly<Record<string, number>>): Promise<void> {
    await until(`${JSON.stringify(replicas)} are ready`, async () =>
      (await deployments()).every(({ metadata, spec, status }) => {
        const wanted = replicas[metadata.name.replace('bw-breakwater-', '')];
        const counts = [status['replicas'], status['updatedReplicas'], status['availableReplicas'], spec.replicas];
        return wanted === undefined || counts.every((count) => count === wanted);
      }),
    );
  }

  const images = async (): Promise<string[]> => [
    ...new Set((await deployments()).flatMap(({ spec }) => spec.template.spec.containers.map(({ image }) => image))),
  ];

  it(
    'is installed: deployments complete, autoscalers and budgets work',
    async () => {
      await helm('install', chartFolder, ...set());
      expect(await names(GROUP.deployments)).toHaveLength(5);
      expect(await names(GROUP.scaledObjects)).toEqual(['bw-breakwater-telemetry-writer', 'bw-breakwater-twin-worker']);
      expect([await names(GROUP.monitors), await names(GROUP.rules)]).toEqual([['bw-breakwater'], ['bw-breakwater']]);
      // That of the migrations has gone with them.
      expect(await names(GROUP.policies)).toHaveLength(6);
      // KEDA is not here: what it scales has what a deployment has that says nothing. The others are at their least.
      await settled({ gateway: 2, api: 2, 'twin-worker': 1, 'telemetry-writer': 1, 'temporal-worker': 2 });
      interface Budget {
        readonly status?: { readonly disruptionsAllowed: number; readonly expectedPods: number };
      }
      await until('budgets know their pods', async () =>
        (await plane.api.list<Budget>(GROUP.budgets)).every(
          ({ status }) => status?.disruptionsAllowed === 1 && status.expectedPods > 0,
        ),
      );
      interface Autoscaler {
        readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
      }
      const autoscalers = await plane.api.list<Autoscaler>(GROUP.autoscalers);
      expect(autoscalers).toHaveLength(2);
      const ableToScale = autoscalers.map(
        ({ status }) => status?.conditions?.find(({ type }) => type === 'AbleToScale')?.status,
      );
      expect(ableToScale).toEqual(['True', 'True']);
    },
    STEP_MS_MAX,
  );

  it('refuses a pod that asks for more than the chart does', async () => {
    const spec = { containers: [{ name: 'root', image: 'breakwater:0.1.0' }] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'root' }, spec };
    await expect(plane.api.create(GROUP.pods, pod)).rejects.toMatchObject({ status: 403 });
  });

  it(
    'is upgraded, in two steps where consumers go first',
    async () => {
      await helm('upgrade', chartFolder, ...set('image.tag=0.2.0', 'gateway.imageTag=0.1.0', 'api.imageTag=0.1.0'));
      expect((await images()).sort()).toEqual(['breakwater:0.1.0', 'breakwater:0.2.0']);
      await helm('upgrade', chartFolder, ...set('image.tag=0.2.0', 'settings.LOG_LEVEL=debug'));
      expect(await images()).toEqual(['breakwater:0.2.0']);
      await settled({ gateway: 2, api: 2, 'telemetry-writer': 1, 'temporal-worker': 2 });
    },
    STEP_MS_MAX,
  );

  it(
    'is scaled by what scales it, and an upgrade does not undo that',
    async () => {
      // What KEDA's autoscaler does when there is a lag.
      await plane.api.patch(`${GROUP.deployments}/bw-breakwater-twin-worker/scale`, { spec: { replicas: 6 } });
      await settled({ 'twin-worker': 6 });
      await helm('upgrade', chartFolder, ...set('image.tag=0.2.0', 'gateway.autoscaling.minReplicas=4'));
      await settled({ gateway: 4, 'twin-worker': 6 });
    },
    STEP_MS_MAX,
  );

  it(
    'is rolled back to the pods and settings of the first installation',
    async () => {
      await helm('rollback', '1', ...wait);
      expect(await images()).toEqual(['breakwater:0.1.0']);
      // How many there are is not Helm's.
      await settled({ 'twin-worker': 6, 'telemetry-writer': 1, 'temporal-worker': 2 });
      await helm('uninstall', '--wait', '--timeout', HELM_TIMEOUT);
      await until('nothing is left', async () => (await names(GROUP.pods)).length === 0);
      expect(await names(GROUP.deployments)).toEqual([]);
    },
    STEP_MS_MAX,
  );
});

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + STEP_MS_MAX / 2;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
