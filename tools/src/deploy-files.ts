import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { consumersDashboard } from './dashboards/consumers-dashboard.ts';
import { grafanaJson } from './dashboards/dashboard.ts';
import { gatewayDashboard } from './dashboards/gateway-dashboard.ts';
import { overviewDashboard } from './dashboards/overview-dashboard.ts';

export const DASHBOARDS = [overviewDashboard, gatewayDashboard, consumersDashboard] as const;

const CHART_FILES = 'deploy/helm/breakwater/files';

/**
 * Files under deploy/ that are made from others, by path. A chart cannot read a file outside of its folder, so it gets
 * copies of the dashboards and of the alert rules.
 */
export function deployFiles(rootFolder: string): ReadonlyMap<string, string> {
  const rules = readFileSync(join(rootFolder, 'deploy/prometheus/breakwater.rules.yml'), 'utf8');
  const dashboards = DASHBOARDS.flatMap((dashboard) => {
    const json = grafanaJson(dashboard);
    const name = `${dashboard.uid.replace(/^breakwater-/, '')}.json`;
    return [
      [`deploy/grafana/${name}`, json],
      [`${CHART_FILES}/dashboards/${name}`, json],
    ] as const;
  });
  return new Map([[`${CHART_FILES}/breakwater.rules.yml`, rules], ...dashboards]);
}
