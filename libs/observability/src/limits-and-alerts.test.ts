import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import * as config from '@breakwater/config';
import type { Setting, SettingGroup } from '@breakwater/config';
import { describe, expect, it } from '@jest/globals';

import { QUEUES } from './queue-inventory.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const limitsPage = read('docs/operations/limits.md');
const alertsPage = read('docs/operations/alerts.md');
const rules = read('deploy/prometheus/breakwater.rules.yml');
const ruleTests = read('deploy/prometheus/breakwater.rules.test.yml');

const settings = new Map<string, Setting<unknown>>(
  Object.entries(config)
    .filter(([name]) => name.endsWith('Settings') && name !== 'readSettings')
    .flatMap(([, group]) => Object.values(group as SettingGroup))
    .map((setting) => [setting.name, setting]),
);

const sources = globSync(['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts', 'temporal/*/src/**/*.ts'], {
  cwd: root,
  exclude: (path) => path.endsWith('.test.ts'),
}).map(read);

/** Names of metrics as the code makes them, without their prefix. */
const metrics = new Set(
  sources.flatMap((source) =>
    [
      ...source.matchAll(/(?:counter|gauge|histogram)\(\s*'([a-z_]+)'/g),
      ...source.matchAll(/name: 'breakwater_([a-z_]+)'/g),
    ].map(([, name = '']) => name),
  ),
);

const cells = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''));
const rowsOf = (section: string): string[][] =>
  section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map(cells);
const [, sharedSection = '', singleSection = ''] = limitsPage.split('\n## ');
const shared = rowsOf(sharedSection);
const single = rowsOf(singleSection);

/** Settings that look like the limit of something held, and are none: times, rates, sizes of one thing, thresholds. */
const NOT_HELD = /_MS(_MAX)?$|_S(_MAX)?$|_PER_MINUTE_MAX$/;
const NONE_OF_THESE = new Set([
  'API_GRAPHQL_COST_MAX',
  'API_GRAPHQL_DEPTH_MAX',
  'CHANGES_BYTES_PER_PARTITION',
  'DEVICE_CHILDREN_MAX',
  'EMBEDDED_CLICKHOUSE_READERS',
  'GATEWAY_FLAPPING_CLOSES_MAX',
  'GATEWAY_FRAME_RECORDS_MAX',
  'GATEWAY_GATHER_RECORDS',
  'GATEWAY_OUTBOUND_QOS_MAX',
  'GATEWAY_OUTBOUND_TOPIC_ALIAS_MAX',
  'GATEWAY_PACKET_BYTES_MAX',
  'GATEWAY_REFUSE_CONNECTS_BYTES',
  'GATEWAY_RESEND_TAIL_RECORDS',
  'GATEWAY_SHED_BYTES',
  'GATEWAY_STOP_READING_BYTES',
  'GATEWAY_TOPIC_ALIAS_MAX',
  'LOG_FRAME_BYTES',
  'LOG_TELEMETRY_RESERVE_BYTES_PER_PARTITION',
  'TEMPORAL_RETENTION_DAYS',
  'TEMPORAL_WORKER_WORKFLOW_TASKS_MAX',
  'WRITER_TRIM_KEEP_RECORDS',
]);
const LOOKS_HELD = /_MAX$|_MAX_|QUEUE|BYTES|RECORDS|ENTRIES|NOTICES|FRAMES|DAYS|DEAD_LETTERS/;

describe('the page of limits', () => {
  it('names every queue of every process, and no other', () => {
    const expected = Object.entries(QUEUES).flatMap(([process, queues]) =>
      Object.entries(queues).map(([queue, max]) => [queue, process, max].join(' ')),
    );
    expect(shared.map(([queue, process, max]) => [queue, process, max].join(' ')).sort()).toEqual(expected.sort());
  });

  it('names maxima that there are, with their defaults', () => {
    for (const [what, , max = '', standard] of [...shared, ...single]) {
      const setting = settings.get(max);
      if (setting !== undefined) expect([what, max, standard]).toEqual([what, max, setting.default]);
      else expect([what, max, sources.some((source) => source.includes(max))]).toEqual([what, max, true]);
    }
  });

  it('names tests that there are', () => {
    for (const [what, , , , , test = ''] of shared)
      expect([what, test, existsSync(join(root, test))]).toEqual([what, test, true]);
  });

  it('names metrics that there are', () => {
    for (const [what, , , , , metric = ''] of single)
      expect([what, metric, metrics.has(metric)]).toEqual([what, metric, true]);
  });

  it('forgets no setting that bounds something held', () => {
    const named = new Set([...shared, ...single].map(([, , max]) => max));
    const missing = [...settings.keys()].filter(
      (name) => LOOKS_HELD.test(name) && !NOT_HELD.test(name) && !NONE_OF_THESE.has(name) && !named.has(name),
    );
    expect(missing).toEqual([]);
  });
});

describe('the alerts', () => {
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);

  it('ask for metrics that there are', () => {
    const asked = [...rules.matchAll(/\bbreakwater_([a-z_]+)/g)].map(([, name = '']) => name.replace(/_bucket$/, ''));
    expect(asked.length).toBeGreaterThan(10);
    for (const name of asked) expect([name, metrics.has(name)]).toEqual([name, true]);
  });

  it('each have a page to read, and a test', () => {
    const headings = [...alertsPage.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(headings.sort()).toEqual([...alerts].sort());
    for (const name of alerts) {
      expect(rules).toContain(`runbook: docs/operations/alerts.md#${name.toLowerCase()}`);
      expect(ruleTests).toMatch(new RegExp(`alertname: ${name}\\n\\s+exp_alerts:\\n`));
    }
  });
});
