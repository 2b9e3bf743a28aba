import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';

import { AUDIT_EVENTS } from './audit-events.ts';
import { AuditLog, type AuditLogOptions } from './audit-log.ts';
import { Metrics } from './metrics.ts';

const MINUTE_MS = 60_000;

interface Written {
  readonly lines: readonly Record<string, unknown>[];
  readonly metrics: Metrics;
  readonly audit: AuditLog;
}

function createUnderTest(more: Partial<AuditLogOptions> = {}, loggerLevel = 'error'): Written {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write: (line: Buffer, _encoding, done) => {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  const metrics = new Metrics('test');
  const logger = pino({ level: loggerLevel }, sink);
  return {
    lines,
    metrics,
    audit: new AuditLog({ logger, metrics, auditLevel: 'info', auditLinesPerMinuteMax: 3, ...more }),
  };
}

describe('the audit log', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('writes one line per event under a level of its own', () => {
    const { audit, lines } = createUnderTest();
    audit.record('banLifted', { tenant: 't', device: 'd', by: 'admin' });
    expect(lines).toMatchObject([{ logger: 'audit', event: 'banLifted', tenant: 't', device: 'd', by: 'admin' }]);
  });

  it('says nothing where everything is silent, or where it is off, and counts all the same', async () => {
    const silent = createUnderTest({}, 'silent');
    const off = createUnderTest({ auditLevel: 'off' });
    for (const { audit, lines, metrics } of [silent, off]) {
      audit.record('authenticationFailed', {});
      expect(lines).toEqual([]);
      expect(await metrics.text()).toMatch(/audit_events_total\{event="authenticationFailed".*\} 1/);
    }
  });

  it('leaves out what is over the bound of its event, and says how much when the attack has stopped', async () => {
    const { audit, lines, metrics } = createUnderTest();
    for (let count = 0; count < 1_000; count += 1) audit.record('authenticationFailed', {});
    expect(lines).toHaveLength(3);
    jest.advanceTimersByTime(MINUTE_MS);
    expect(lines.slice(3)).toMatchObject([{ event: 'authenticationFailed', suppressed: 997 }]);
    expect(await metrics.text()).toMatch(/audit_suppressed_total\{event="authenticationFailed".*\} 997/);
    jest.advanceTimersByTime(10 * MINUTE_MS);
    expect(lines).toHaveLength(4);
  });

  it('hides no event behind a flood of another', () => {
    const { audit, lines } = createUnderTest();
    for (let count = 0; count < 1_000; count += 1) audit.record('authenticationFailed', {});
    audit.record('sessionRevoked', { device: 'd' });
    expect(lines.at(-1)).toMatchObject({ event: 'sessionRevoked', device: 'd' });
  });

  it('writes again in the next minute, after the word about the last one', () => {
    const { audit, lines } = createUnderTest();
    for (let count = 0; count < 5; count += 1) audit.record('flapping', {});
    jest.advanceTimersByTime(MINUTE_MS);
    audit.record('flapping', { device: 'next' });
    expect(lines.slice(3)).toMatchObject([
      { event: 'flapping', suppressed: 2 },
      { event: 'flapping', device: 'next' },
    ]);
  });

  it('has told everything when it is closed', () => {
    const { audit, lines } = createUnderTest();
    for (let count = 0; count < 5; count += 1) audit.record('flapping', {});
    audit.close();
    expect(lines.at(-1)).toMatchObject({ event: 'flapping', suppressed: 2 });
  });

  it('cuts what strangers choose', () => {
    const { audit, lines } = createUnderTest();
    audit.record('authenticationFailed', { clientId: 'x'.repeat(65_535) });
    expect(lines[0]?.['clientId']).toBe('x'.repeat(256));
  });

  it('has every event on its page, and no other', () => {
    const page = readFileSync(new URL('../../../docs/operations/audit.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^\| `(\w+)` \| (info|warn) \|/gm)].map(([, event, level]) => [event, level]);
    expect(documented).toEqual(Object.entries(AUDIT_EVENTS));
  });
});
