import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';

import type { ChartTools } from './chart-tools.ts';
import { KubernetesApi } from './kubernetes-api.ts';
import { PodBinder } from './pod-binder.ts';

/** What plays a part here; the others have nothing to do without real nodes. */
const CONTROLLERS = [
  'deployment-controller',
  'replicaset-controller',
  'job-controller',
  'disruption-controller',
  'horizontal-pod-autoscaler-controller',
  'serviceaccount-controller',
  'garbage-collector-controller',
  'namespace-controller',
  'endpointslice-controller',
];
const READY_MS_MAX = 120_000;

interface Part {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logFile: string;
}

/**
 * A real API server with its controllers on a real etcd, all on loopback. kwok plays the nodes and what runs on them,
 * and a few lines stand for the scheduler: nothing else is played.
 */
export class ControlPlane {
  readonly api: KubernetesApi;
  readonly kubeconfig: string;
  readonly #folder: string;
  readonly #parts: Part[] = [];
  readonly #binder: PodBinder;

  private constructor(options: { folder: string; kubeconfig: string; api: KubernetesApi }) {
    this.#folder = options.folder;
    this.kubeconfig = options.kubeconfig;
    this.api = options.api;
    this.#binder = new PodBinder(options.api);
  }

  static async start(tools: ChartTools, nodes: readonly string[]): Promise<ControlPlane> {
    const folder = mkdtempSync(join(tmpdir(), 'breakwater-k8s-'));
    const [etcdPort, peerPort, apiPort] = [await freePort(), await freePort(), await freePort()];
    const token = randomBytes(16).toString('hex');
    const certificates = join(folder, 'certificates');
    mkdirSync(certificates);
    const url = `https://127.0.0.1:${apiPort}`;
    const kubeconfig = writeKubeconfig(folder, { url, token });
    const authority = (): string => readFileSync(join(certificates, 'apiserver.crt'), 'utf8');
    const plane = new ControlPlane({ folder, kubeconfig, api: new KubernetesApi({ url, token, authority }) });
    try {
      plane.#spawn(tools, 'etcd', etcdArguments(folder, etcdPort, peerPort));
      plane.#spawn(tools, 'kube-apiserver', apiServerArguments(folder, { etcdPort, apiPort, certificates, token }));
      await plane.#ready();
      plane.#spawn(tools, 'kube-controller-manager', controllerArguments(folder, kubeconfig));
      plane.#spawn(tools, 'kwok', ['--kubeconfig', kubeconfig, '--manage-all-nodes=true']);
      for (const node of nodes) await plane.#addNode(node);
      plane.#binder.start(nodes);
      return plane;
    } catch (error) {
      const logs = plane.#logs();
      await plane.stop();
      throw new Error(`the control plane did not start\n${logs}`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    await this.#binder.stop();
    for (const { child } of this.#parts.toReversed()) await endProcess(child, 'SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(tools: ChartTools, name: string, args: readonly string[]): void {
    const logFile = join(this.#folder, `${name}.log`);
    const log = openSync(logFile, 'a');
    const child = spawn(tools.programs[name] ?? name, args, { cwd: this.#folder, stdio: ['ignore', log, log] });
    closeSync(log);
    child.once('error', () => undefined);
    this.#parts.push({ name, child, logFile });
  }

  async #ready(): Promise<void> {
    const deadline = performance.now() + READY_MS_MAX;
    for (;;) {
      const isReady = await this.api.get('/readyz').then(
        () => true,
        () => false,
      );
      if (isReady) return;
      const gone = this.#parts.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
      if (gone !== undefined) throw new Error(`${gone.name} has ended`);
      if (performance.now() > deadline) throw new Error('it is not ready in time');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async #addNode(name: string): Promise<void> {
    const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${name}` };
    const annotations = { 'kwok.x-k8s.io/node': 'fake' };
    await this.api.create('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels, annotations },
      status: { allocatable: { cpu: '64', memory: '256Gi', pods: '250' } },
    });
  }

  #logs(): string {
    const tail = (file: string): string => readFileSync(file, 'utf8').split('\n').slice(-15).join('\n');
    return this.#parts.map(({ name, logFile }) => `── ${name}\n${tail(logFile)}`).join('\n');
  }
}

function etcdArguments(folder: string, clientPort: number, peerPort: number): string[] {
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    ['--data-dir', join(folder, 'etcd')],
    ['--listen-client-urls', client],
    ['--advertise-client-urls', client],
    ['--listen-peer-urls', peer],
    ['--initial-advertise-peer-urls', peer],
    ['--initial-cluster', `default=${peer}`],
  ].flat();
}

function apiServerArguments(
  folder: string,
  options: { etcdPort: number; apiPort: number; certificates: string; token: string },
): string[] {
  const keyFile = join(folder, 'service-account.key');
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(keyFile, privateKey);
  writeFileSync(`${keyFile}.pub`, publicKey);
  const tokens = join(folder, 'tokens.csv');
  writeFileSync(tokens, `${options.token},admin,admin,system:masters\n`);
  return [
    `--etcd-servers=http://127.0.0.1:${options.etcdPort}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${options.apiPort}`,
    `--cert-dir=${options.certificates}`,
    `--token-auth-file=${tokens}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${keyFile}.pub`,
    `--service-account-signing-key-file=${keyFile}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    // The etcd of distributions is too old for watches that begin with a list: kwok would lose events in each try.
    '--feature-gates=WatchList=false',
    // It would publish an address of its own, and loopback is none.
    '--endpoint-reconciler-type=none',
  ];
}

function controllerArguments(folder: string, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${join(folder, 'service-account.key')}`,
    `--controllers=${CONTROLLERS.join(',')}`,
    '--leader-elect=false',
    '--secure-port=0',
    // A quarter of a minute is much for a test.
    '--horizontal-pod-autoscaler-sync-period=1s',
  ];
}

function writeKubeconfig(folder: string, { url, token }: { url: string; token: string }): string {
  const file = join(folder, 'kubeconfig.json');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority': 'certificates/apiserver.crt' } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
