import { readFileSync } from 'node:fs';

import {
  gatewaySettings,
  identitySettings,
  overloadSettings,
  platformSettings,
  protectionSettings,
  type Setting,
  transportSettings,
} from '@breakwater/config';
import { ReasonCode } from '@breakwater/mqtt-endpoint';
import { Metrics } from '@breakwater/observability';
import { ERROR_CODES } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';

import { GatewayMetrics } from '../gateway-metrics.ts';

/** The tables of docs/mqtt.md that say what is refused, and how. */
const page = readFileSync(new URL('../../../../docs/mqtt.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('\n## Limits\n'), page.indexOf('\n### Bans\n'));
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| What'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

const settings = new Map<string, Setting<unknown>>(
  [gatewaySettings, identitySettings, overloadSettings, platformSettings, protectionSettings, transportSettings]
    .flatMap((group): Setting<unknown>[] => Object.values(group))
    .map((setting) => [setting.name, setting]),
);

/** In the unit of the setting. */
const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 * 1024, s: 1, min: 60 };

function inUnitOf(setting: Setting<unknown>, text: string): number {
  const [, digits = '', unit = ''] = /^([\d,]+) ?(KiB|MiB|s|min)?\b/.exec(text) ?? [];
  const value = Number(digits.replaceAll(',', '')) * (UNITS[unit] ?? 1);
  return setting.unit === 'ms' ? value * 1_000 : value;
}

const codesOf = (text: string): string[] => [...text.matchAll(/0x([0-9A-Fa-f]{2})/g)].map(([, code]) => `0x${code}`);

describe('the tables of limits', () => {
  it('are there', () => expect(rows.length).toBeGreaterThan(40));

  it.each(rows.filter((row) => row.length === 5))('%s: the default is that of the setting', (_what, standard = '') => {
    const [, name, text = ''] = /^`([A-Z_]+)`, (.*)$/.exec(standard) ?? [];
    if (name === undefined) return expect(standard).toMatch(/^\d/);
    const setting = settings.get(name);
    expect([name, setting && inUnitOf(setting, text)]).toEqual([name, Number(setting?.default)]);
  });

  it.each(rows)('%s: its codes exist, and are those that are counted', (...row: string[]) => {
    const [on5 = '', before5 = '', counted = ''] = row.slice(-3);
    const known: readonly number[] = Object.values(ReasonCode);
    for (const code of codesOf(on5)) expect(known).toContain(Number(code));
    for (const code of codesOf(before5)) expect(code).toBe('0x80');
    const [label] = codesOf(counted);
    if (label !== undefined) expect(codesOf(on5).map((code) => code.toLowerCase())).toContain(label);
    const [, errorCode] = /reason="([A-Z_]+)"/.exec(counted) ?? [];
    if (errorCode !== undefined) expect(ERROR_CODES).toContain(errorCode);
  });

  it('name metrics that there are', async () => {
    const metrics = new Metrics('test');
    expect(new GatewayMetrics(metrics)).toBeDefined();
    const text = await metrics.text();
    const named = new Set([...section.matchAll(/`([a-z_]+_total)/g)].map(([, name]) => name));
    expect(named.size).toBeGreaterThan(5);
    for (const name of named) expect(text).toContain(`# TYPE breakwater_${name} `);
  });

  it('name every reason with which a connection is refused', () => {
    const onConnect = page.slice(page.indexOf('### On CONNECT'), page.indexOf('### On DISCONNECT'));
    for (const code of [
      'clientIdentifierNotValid',
      'badUserNameOrPassword',
      'serverUnavailable',
      'serverBusy',
    ] as const) {
      expect(onConnect.toLowerCase()).toContain(`0x${ReasonCode[code].toString(16)}`);
    }
    expect(codesOf(onConnect).map(Number)).toEqual(
      expect.arrayContaining([ReasonCode.banned, ReasonCode.connectionRateExceeded]),
    );
  });
});
