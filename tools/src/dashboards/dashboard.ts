/** As much of Grafana's dashboard format as ours use. */
export type Unit = 'short' | 'reqps' | 's' | 'bytes' | 'percentunit';

/** PromQL by what the legend says; there `{{label}}` stands for the value of a label. */
export type Queries = Readonly<Record<string, string>>;

export interface Panel {
  readonly title: string;
  readonly about: string;
  readonly unit: Unit;
  readonly queries: Queries;
  /** From this value on it is drawn in red. */
  readonly alarmFrom?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Also the name of its file. */
  readonly uid: string;
  readonly title: string;
  readonly rows: readonly Row[];
}

const SCHEMA_VERSION = 39;
const GRID_WIDTH = 24;
const PANEL_HEIGHT = 8;
const PANELS_PER_LINE = 3;
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

type PanelOf = (title: string, about: string, queries: Queries) => Panel;

export const count = panelIn('short');
export const perSecond = panelIn('reqps');
export const seconds = panelIn('s');
export const bytes = panelIn('bytes');
/** Of a whole, as percent. */
export const share = panelIn('percentunit');

/** The dashboard as Grafana imports it, with a choice of the Prometheus to ask. */
export function grafanaJson(dashboard: Dashboard): string {
  const model = {
    uid: dashboard.uid,
    title: dashboard.title,
    tags: ['breakwater'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: false,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {} }],
    },
    annotations: { list: [] },
    panels: panelsOf(dashboard.rows),
  };
  return `${JSON.stringify(model, null, 2)}\n`;
}

function panelIn(unit: Unit): PanelOf {
  return (title, about, queries) => ({ title, about, unit, queries });
}

function panelsOf(rows: readonly Row[]): object[] {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const width = GRID_WIDTH / Math.min(row.panels.length, PANELS_PER_LINE);
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: GRID_WIDTH, h: 1 },
      panels: [],
    });
    y += 1;
    for (const [at, panel] of row.panels.entries()) {
      const x = (at % PANELS_PER_LINE) * width;
      const line = y + Math.floor(at / PANELS_PER_LINE) * PANEL_HEIGHT;
      panels.push({ id: panels.length + 1, ...timeSeries(panel), gridPos: { x, y: line, w: width, h: PANEL_HEIGHT } });
    }
    y += Math.ceil(row.panels.length / PANELS_PER_LINE) * PANEL_HEIGHT;
  }
  return panels;
}

function timeSeries({ title, about, unit, queries, alarmFrom }: Panel): object {
  const alarm = alarmFrom === undefined ? [] : [{ color: 'red', value: alarmFrom }];
  return {
    type: 'timeseries',
    title,
    description: about,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        custom: {
          lineWidth: 1,
          fillOpacity: 10,
          showPoints: 'never',
          thresholdsStyle: { mode: alarmFrom === undefined ? 'off' : 'line' },
        },
        thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }, ...alarm] },
      },
      overrides: [],
    },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: Object.entries(queries).map(([legend, expr], at) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + at),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
    })),
  };
}
