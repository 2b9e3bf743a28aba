import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { settingNames } from '../../src/configuration-page.ts';
import {
  chartFolder,
  findChartTools,
  KUBERNETES_VERSION,
  manifestsOf,
  podSpecs,
  renderChart,
  rootFolder,
  run,
  type ChartTools,
  type Manifest,
} from './chart-tools.ts';

/** What kube-score finds critical and is meant so, each with its reason. */
const MEANT_SO = [
  // A registry that is away must not keep a pod of a known version from coming back.
  'container-image-pull-policy',
];
/** This set leaves out on purpose what these ask for. */
const LEFT_OUT_OF_LEAST = ['pod-networkpolicy', 'deployment-has-poddisruptionbudget', 'deployment-pod-topology-spread'];
/** Read by Node itself. */
const NOT_SETTINGS = ['NODE_EXTRA_CA_CERTS'];
const MOUNTED = /^\/etc\/breakwater\//;
/** The orderly stop of a process, and a little. */
const STOP_SECONDS = 35;

interface Trigger {
  readonly metadata: Readonly<Record<string, string>>;
  readonly authenticationRef?: { readonly name: string };
}

const valueSets = readdirSync(join(chartFolder, 'ci'));
const valuesFile = (set: string): string => join(chartFolder, 'ci', set);
const found = findChartTools(process.env);
const read = (path: string): string => readFileSync(join(rootFolder, path), 'utf8');

(found === undefined ? describe.skip : describe)('the Helm chart (needs node tools/provide-kubernetes.mjs)', () => {
  const tools = found as ChartTools;
  const rendered = new Map<string, string>();
  const manifests = (set: string): Manifest[] => manifestsOf(rendered.get(set) ?? '');
  const triggersOf = (set: string): Trigger[] =>
    manifests(set).flatMap(({ kind, spec }) => (kind === 'ScaledObject' ? (spec['triggers'] as Trigger[]) : []));

  beforeAll(() => {
    for (const set of valueSets) rendered.set(set, renderChart(tools, ['--values', valuesFile(set)]));
  });

  it('is written for the version that everything is checked against', () => {
    const { version, appVersion } = parse(read('deploy/helm/breakwater/Chart.yaml')) as Record<string, string>;
    const platform = (JSON.parse(read('package.json')) as { version: string }).version;
    expect([version, appVersion]).toEqual([platform, platform]);
    expect(valueSets).toHaveLength(6);
  });

  it.each(valueSets)('passes helm lint with %s', (set) => {
    const args = ['lint', chartFolder, '--strict', '--values', valuesFile(set)];
    expect(run(tools.programs['helm'], args)).toMatchObject({ status: 0 });
  });

  it('has only objects that their schemas allow, and has a schema for each', () => {
    const version = `${KUBERNETES_VERSION.split('.').slice(0, 2).join('.')}.0`;
    const native = join(
      tools.schemas,
      '{{ .NormalizedKubernetesVersion }}-local{{ .StrictSuffix }}',
      '{{ .ResourceKind }}{{ .KindSuffix }}.json',
    );
    const others = join(
      tools.schemas,
      'resources',
      '{{ .Group }}',
      '{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json',
    );
    const locations = [native, others].flatMap((location) => ['-schema-location', location]);
    const args = ['-strict', '-summary', '-output', 'json', '-kubernetes-version', version, ...locations];
    const everything = valueSets.map((set) => rendered.get(set)).join('\n---\n');
    const { output } = run(tools.programs['kubeconform'], args, everything);
    const { resources, summary } = JSON.parse(output) as { readonly resources: unknown; readonly summary: unknown };
    expect(resources).toEqual([]);
    const objects = valueSets.flatMap(manifests).length;
    expect(summary).toEqual({ valid: objects, invalid: 0, errors: 0, skipped: 0 });
  });

  it.each(valueSets)('has nothing that kube-score finds critical, with %s', (set) => {
    const ignored = [...MEANT_SO, ...(set === 'least.yaml' ? LEFT_OUT_OF_LEAST : [])];
    const args = ['score', '--output-format', 'ci', '--kubernetes-version', 'v1.34', '--ignore-container-cpu-limit'];
    const ignore = ignored.flatMap((test) => ['--ignore-test', test]);
    const { output } = run(tools.programs['kube-score'], [...args, ...ignore, '-'], rendered.get(set));
    expect(output).toContain('[OK]');
    expect(output.split('\n').filter((line) => line.startsWith('[CRITICAL]'))).toEqual([]);
  });

  it.each(valueSets)('sets only what is a setting, with %s', (set) => {
    const names = podSpecs(manifests(set)).flatMap(({ containers }) =>
      containers.flatMap(({ env }) => (env ?? []).map(({ name }) => name)),
    );
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => ![...settingNames(), ...NOT_SETTINGS].includes(name))).toEqual([]);
  });

  it.each(valueSets)('names no file that is not mounted, and mounts no volume that there is not, with %s', (set) => {
    for (const { containers, initContainers = [], volumes = [] } of podSpecs(manifests(set))) {
      for (const { env = [], volumeMounts = [] } of [...initContainers, ...containers]) {
        const files = env.flatMap(({ value = '' }) => (MOUNTED.test(value) ? [dirname(value)] : []));
        const folders = volumeMounts.map(({ mountPath }) => mountPath);
        expect(files.filter((folder) => !folders.includes(folder))).toEqual([]);
        const names = volumes.map(({ name }) => name);
        expect(volumeMounts.filter(({ name }) => !names.includes(name))).toEqual([]);
      }
    }
  });

  it('gives the autoscaler what the brokers ask for, unless it is given otherwise', () => {
    const [credentials] = manifests('redis-cluster.yaml').filter(({ kind }) => kind === 'TriggerAuthentication');
    expect(credentials?.spec['secretTargetRef']).toHaveLength(4);
    for (const { authenticationRef, metadata } of triggersOf('redis-cluster.yaml')) {
      expect(authenticationRef).toEqual({ name: credentials?.metadata.name });
      expect(metadata).toMatchObject({ tls: 'enable', sasl: 'scram_sha512' });
    }
    expect(manifests('guarded.yaml').filter(({ kind }) => kind === 'TriggerAuthentication')).toEqual([]);
    const [trigger] = triggersOf('guarded.yaml');
    expect(trigger?.authenticationRef).toEqual({ name: 'kafka-credentials' });
  });

  it('scales by the groups that the twin-workers are and that the telemetry-writers show their lag in', () => {
    const source = read('libs/log-engine/src/kafka-log-engine.ts');
    const [, name = ''] = /kafkaWorkerGroup \|\| `\$\{topicPrefix\}\.(\w+)`/.exec(source) ?? [];
    const groups = (set: string): unknown[] => triggersOf(set).map(({ metadata }) => metadata['consumerGroup']);
    expect(groups('kafka.yaml')).toEqual(['breakwater.writer', `breakwater.${name}`, `breakwater.${name}`]);
    expect(groups('redis-cluster.yaml')).toEqual(['twins.writer', `twins.${name}`, `twins.${name}`]);
    expect(read('apps/telemetry-writer/src/redis-writer-ports.ts')).toContain("lagMarks('writer')");
    const named = ['--values', valuesFile('kafka.yaml'), '--set', 'twinWorker.settings.KAFKA_WORKER_GROUP=ours'];
    const rendered = renderChart(tools, named);
    expect(rendered).toContain('consumerGroup: "ours"');
    expect(rendered).toContain('consumerGroup: "breakwater.writer"');
  });

  it('lets the parts out to the ports that addresses name, and to no password', () => {
    const policies = manifests('redis-cluster.yaml').filter(({ kind }) => kind === 'NetworkPolicy');
    const gateway = policies.find(({ metadata }) => metadata.name.endsWith('-gateway'));
    const text = JSON.stringify(gateway?.spec['egress']);
    for (const port of [19_093, 6379, 6380, 8443, 7233]) expect(text).toContain(`"port":${port}}`);
    const password = ['--values', valuesFile('kafka.yaml'), '--set', 'redis.url=redis://user:4711@redis:6390/0'];
    const withPassword = renderChart(tools, password);
    expect([/port: 6390 }/.test(withPassword), /port: 4711 }/.test(withPassword)]).toEqual([true, false]);
  });

  it.each(valueSets)('starts programs that there are, with room for their heap and time to stop, with %s', (set) => {
    for (const { containers, terminationGracePeriodSeconds = STOP_SECONDS } of podSpecs(manifests(set))) {
      for (const container of containers) {
        const program = container.command.find((word) => /^(?:apps|temporal)\//.test(word));
        if (program !== undefined) expect(existsSync(join(rootFolder, sourceOf(program)))).toBe(true);
        const waits = container.lifecycle?.preStop.sleep.seconds ?? 0;
        expect(terminationGracePeriodSeconds - waits).toBeGreaterThanOrEqual(STOP_SECONDS);
        const heap = Number(/--max-old-space-size=(\d+)/.exec(container.command.join(' '))?.[1] ?? 0);
        const held = Number(container.env?.find(({ name }) => name === 'MEMORY_MAX_MB')?.value ?? heap);
        expect([heap <= held, held < megabytes(container.resources.limits.memory)]).toEqual([true, true]);
      }
    }
  });

  it('places every pod, those of hooks too, as the values say for all, and a part as it says for itself', () => {
    const pods = manifests('guarded.yaml').filter(({ kind }) => ['Deployment', 'Job', 'Pod'].includes(kind));
    expect(pods).toHaveLength(7);
    for (const manifest of pods) {
      const template = (manifest.spec['template'] ?? manifest) as Manifest;
      const isGateway = manifest.metadata.name.endsWith('-gateway');
      expect(template.spec).toMatchObject({
        imagePullSecrets: [{ name: 'registry' }],
        nodeSelector: { 'kubernetes.io/arch': 'amd64' },
        tolerations: [{ key: 'dedicated', value: 'breakwater' }],
        priorityClassName: isGateway ? 'devices' : 'platform',
      });
      expect(template.metadata).toMatchObject({
        labels: { 'example.com/team': 'fleet', ...(isGateway ? { 'example.com/cost': 'devices' } : {}) },
        annotations: { 'sidecar.istio.io/inject': 'false' },
      });
    }
    const gateway = pods.find(({ metadata }) => metadata.name.endsWith('-gateway'));
    expect(gateway?.metadata).toMatchObject({ annotations: { 'reloader.stakater.com/auto': 'true' } });
  });

  it('lets the migrations out before they run, where a namespace lets nobody out by itself', () => {
    const [policy] = manifests('kafka.yaml').filter(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name.endsWith('-migrations'),
    );
    expect(policy?.metadata).toMatchObject({
      annotations: { 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-weight': '-5' },
    });
  });

  it('takes the PROXY header of a balancer at every port, and leaves to the cluster which user pods are', () => {
    const service = manifests('guarded.yaml').find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name.endsWith('-gateway'),
    );
    expect(service?.spec).toMatchObject({ type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' });
    const environments = podSpecs(manifests('guarded.yaml')).map(({ containers: [container] }) => container?.env ?? []);
    const told = environments.flatMap((env) => env.filter(({ name }) => name === 'GATEWAY_PROXY_PROTOCOL'));
    expect(told.map(({ value }) => value)).toEqual(['mqtt,mqtts,ws,wss']);
    const unset = ['runAsUser', 'runAsGroup', 'fsGroup'].flatMap((name) => [
      '--set',
      `podSecurityContext.${name}=null`,
    ]);
    const rendered = renderChart(tools, ['--values', valuesFile('kafka.yaml'), ...unset]);
    expect(rendered).not.toMatch(/runAsUser|runAsGroup|fsGroup/);
    expect(rendered).toContain('runAsNonRoot: true');
  });

  it('scales by lag with as many replicas as partitions, or ranges of them, at most', () => {
    const scaled = manifests('guarded.yaml').filter(({ kind }) => kind === 'ScaledObject');
    expect(scaled.map(({ spec }) => spec['maxReplicaCount']).toSorted()).toEqual([256, 8]);
    const topics = scaled.map(({ spec }) => (spec['triggers'] as { metadata: { topic: string } }[]).length);
    expect(topics.toSorted()).toEqual([1, 2]);
    for (const set of valueSets) {
      const targets = manifests(set)
        .filter(({ kind }) => ['ScaledObject', 'HorizontalPodAutoscaler'].includes(kind))
        .map(({ spec }) => (spec['scaleTargetRef'] as { name: string }).name);
      const withReplicas = manifests(set).filter(({ kind, spec }) => kind === 'Deployment' && 'replicas' in spec);
      expect(withReplicas.filter(({ metadata }) => targets.includes(metadata.name))).toEqual([]);
    }
  });

  it('gives everybody who is told of the brokers what they ask for, the password as a secret', () => {
    const pods = podSpecs(manifests('guarded.yaml')).map(({ containers, initContainers = [], volumes = [] }) => ({
      containers: [...containers, ...initContainers].filter(({ env }) =>
        env?.some(({ name }) => name === 'KAFKA_BROKERS'),
      ),
      volumes,
    }));
    const told = pods.filter(({ containers }) => containers.length > 0);
    expect(told.length).toBeGreaterThan(4);
    for (const { containers, volumes } of told) {
      for (const { env = [], volumeMounts = [] } of containers) {
        const found = new Map(env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom?.secretKeyRef]));
        expect(found.get('KAFKA_SASL_PASSWORD')).toEqual({ name: 'kafka-user', key: 'password' });
        expect(found.get('KAFKA_SASL_MECHANISM')).toBe('SCRAM-SHA-512');
        const folder = volumeMounts.find(({ name }) => name === 'kafka-tls')?.mountPath;
        const files = ['CA', 'CERT', 'KEY'].map((each) => found.get(`KAFKA_TLS_${each}_FILE`));
        expect(files).toEqual(['ca.crt', 'tls.crt', 'tls.key'].map((file) => `${folder}/${file}`));
      }
      expect(JSON.stringify(volumes)).toContain('"key":"user.key","path":"tls.key"');
    }
  });

  it('has the alerts of deploy/prometheus', () => {
    const rules = manifests('guarded.yaml').filter(({ kind }) => kind === 'PrometheusRule');
    expect(rules.map(({ spec }) => spec)).toEqual([parse(read('deploy/prometheus/breakwater.rules.yml'))]);
  });

  it.each([
    [['--set', 'admin.existingSecret='], /existingSecret/],
    [['--set', 'eventLog=memory'], /eventLog/],
    [['--set', 'kafka.brokers='], /brokers/],
    [['--set', 'kafka.sasl.mechanism=PLAIN'], /username/],
    [['--set', 'redis.url='], /redis/],
    [['--set', 'partitions=0'], /partitions/],
    [['--set', 'image.tag=latest'], /tag/],
    [['--set', 'telemetryWriter.terminationGraceSeconds=10'], /terminationGraceSeconds/],
    [['--set', 'podSecurityContext.runAsNonRoot=false'], /runAsNonRoot/],
    [['--set', 'gateway.service.plaintext=false'], /existingSecret/],
    [['--set', 'settings.log_level=debug'], /log_level/],
    [['--set', 'gatewayy.replicas=2'], /gatewayy/],
    [['--set', 'api.extraVolumeMounts[0].name=a'], /mountPath/],
    [['--set', 'eventLog=redis,redis.url=redis+sentinel://one:26379/main'], /redis/],
  ])('refuses %j', (args, message) => {
    expect(() => renderChart(tools, ['--values', valuesFile('kafka.yaml'), ...args])).toThrow(message);
  });
});

function sourceOf(program: string): string {
  return program.endsWith('.mjs') ? program : program.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
}

function megabytes(quantity: string): number {
  const [, amount = '0', unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  return Number(amount) * (unit === 'Gi' ? 1024 : 1);
}
