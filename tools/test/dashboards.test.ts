import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Metrics, QueueWatch } from '@breakwater/observability';
import { describe, expect, it } from '@jest/globals';

import { PROCESS_METRICS, SHOWN_METRICS } from '../src/dashboards/metric-expressions.ts';
import { DASHBOARDS, deployFiles } from '../src/deploy-files.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Made {
  readonly kind: string;
  readonly labels: readonly string[];
}

/** Metrics as the sources of the processes make them: kind, name, and the labels of the call. */
function madeMetrics(): ReadonlyMap<string, Made> {
  const made = new Map<string, Made>();
  const sources = globSync(['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts', 'temporal/*/src/**/*.ts'], { cwd: root });
  for (const source of sources.filter((path) => !path.endsWith('.test.ts')).map(read)) {
    for (const match of source.matchAll(/(?:\.(counter|gauge|histogram)|new (Gauge|Counter))\(/g)) {
      const call = callFrom(source, match.index + match[0].length);
      const name = /^\s*(?:\{\s*name: )?'(?:breakwater_)?([a-z_]+)'/.exec(call)?.[1];
      const lists = [...call.matchAll(/\[((?:\s*'[a-zA-Z]+',?)*\s*)\]/g)].map(([, list = '']) => list);
      const labels = lists.flatMap((list) => [...list.matchAll(/'(\w+)'/g)].map(([, label = '']) => label));
      if (name !== undefined) made.set(name, { kind: (match[1] ?? match[2] ?? '').toLowerCase(), labels });
    }
  }
  return made;
}

/** What every process shows of its queues is made from a list of them: asked of a real one. */
async function queueMetrics(): Promise<ReadonlyMap<string, Made>> {
  const metrics = new Metrics('test');
  const memory = { used: () => 1, max: 2 };
  new QueueWatch({ metrics, process: 'temporal-worker', queues: { memory } }).sample();
  const lines = (await metrics.text()).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, name, label] = /^breakwater_(\w+)\{(queue)="memory"/.exec(line) ?? [];
      return name === undefined || label === undefined ? [] : [[name, { kind: 'gauge', labels: [label] }] as const];
    }),
  );
}

/** The text of a call's arguments, up to the parenthesis that closes it. */
function callFrom(source: string, start: number): string {
  let depth = 1;
  let at = start;
  while (depth > 0 && at < source.length) {
    if (source[at] === '(') depth += 1;
    if (source[at] === ')') depth -= 1;
    at += 1;
  }
  return source.slice(start, at - 1);
}

describe('the dashboards', () => {
  const texts = DASHBOARDS.map(({ uid }) => read(`deploy/grafana/${uid.replace('breakwater-', '')}.json`));

  it('are written, and the chart has them', () => {
    for (const [path, text] of deployFiles(root)) expect([path, read(path) === text]).toEqual([path, true]);
  });

  it('know metrics that the processes make, of the same kind, with these labels', async () => {
    const made = new Map([...madeMetrics(), ...(await queueMetrics())]);
    for (const [name, { kind, labels }] of Object.entries(SHOWN_METRICS)) {
      const real = made.get(name);
      expect([name, real?.kind]).toEqual([name, kind]);
      const unknown = labels.filter((label) => !real?.labels.includes(label));
      expect([name, unknown]).toEqual([name, []]);
    }
  });

  it('ask for nothing else, and show all of it', () => {
    const asked = texts.flatMap((text) =>
      [...text.matchAll(/\bbreakwater_([a-z_]+)/g)].map(([, name = '']) => name.replace(/_(bucket|count)$/, '')),
    );
    expect([...new Set(asked)].sort()).toEqual(Object.keys(SHOWN_METRICS).sort());
  });

  it('ask for metrics that the client library gives every process', async () => {
    const text = await new Metrics('test').text();
    for (const name of PROCESS_METRICS) expect(text).toContain(`\n${name}{service="test"`);
  });

  it('have panels that do not overlap, with a description and queries', () => {
    for (const text of texts) {
      const { panels } = JSON.parse(text) as {
        readonly panels: readonly { readonly gridPos: { x: number; y: number; w: number; h: number } }[];
      };
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
      );
      expect(new Set(cells).size).toBe(cells.length);
    }
    for (const panel of DASHBOARDS.flatMap(({ rows }) => rows.flatMap((row) => row.panels))) {
      expect(panel.about).not.toBe('');
      expect(Object.keys(panel.queries).length).toBeGreaterThan(0);
    }
  });
});
