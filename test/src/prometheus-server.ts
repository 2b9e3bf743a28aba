import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Installation } from '@breakwater/bench';
import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';

import { until } from './platform-steps.ts';

const RULES = fileURLToPath(new URL('../../deploy/prometheus/breakwater.rules.yml', import.meta.url));

export const hasPrometheus = spawnSync('prometheus', ['--version'], { stdio: 'ignore' }).status === 0;

/** A real Prometheus that scrapes every process of an installation each second, with the rules that we ship. */
export class PrometheusServer {
  readonly #url: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(options: { url: string; folder: string; child: ChildProcess }) {
    this.#url = options.url;
    this.#folder = options.folder;
    this.#process = options.child;
  }

  static async start(installation: Installation): Promise<PrometheusServer> {
    const folder = await mkdtemp(join(tmpdir(), 'breakwater-prometheus-'));
    const port = await freePort();
    const targets = [new URL(installation.url).host];
    for (const { ports } of (await installation.parts()).values()) {
      const metricsPort = ports['metrics'] ?? ports['clickhouse'];
      if (metricsPort !== undefined) targets.push(`127.0.0.1:${metricsPort}`);
    }
    const scrape = { job_name: 'breakwater', static_configs: [{ targets }] };
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [RULES],
      scrape_configs: [scrape],
    };
    // JSON is YAML.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    const server = new PrometheusServer({ url: `http://127.0.0.1:${port}`, folder, child });
    await until('Prometheus to be ready', async () => (await fetch(`${server.#url}/-/ready`)).ok);
    return server;
  }

  /** Names of the alerts that fire now. */
  async firing(): Promise<ReadonlySet<string>> {
    const response = await fetch(`${this.#url}/api/v1/alerts`);
    const { data } = (await response.json()) as {
      data: { alerts: readonly { state: string; labels: Readonly<Record<string, string>> }[] };
    };
    return new Set(data.alerts.flatMap(({ state, labels }) => (state === 'firing' ? [labels['alertname'] ?? ''] : [])));
  }

  /** The sum over all series that the expression finds; null when it finds none. */
  async value(expression: string): Promise<number | null> {
    const response = await fetch(`${this.#url}/api/v1/query?query=${encodeURIComponent(`sum(${expression})`)}`);
    const { data } = (await response.json()) as {
      data: { result: readonly { value: readonly [number, string] }[] };
    };
    const [first] = data.result;
    return first === undefined ? null : Number(first.value[1]);
  }

  /** The values of a label of whatever the expression finds. */
  async labels(expression: string, label: string): Promise<readonly string[]> {
    const response = await fetch(`${this.#url}/api/v1/query?query=${encodeURIComponent(expression)}`);
    const { data } = (await response.json()) as {
      data: { result: readonly { metric: Readonly<Record<string, string>> }[] };
    };
    return data.result.map(({ metric }) => metric[label] ?? '');
  }

  async stop(): Promise<void> {
    await endProcess(this.#process);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
