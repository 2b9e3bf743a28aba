import type { DeviceId, Incarnation, SessionEpoch, TenantId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { LineParts } from './line-parts.ts';
import { encodeRecord, type RecordMessage, type WireRecord } from './record.ts';

const record = (more: Partial<WireRecord> = {}): WireRecord => ({
  tenant: 'acme' as TenantId,
  device: 'pump:7' as DeviceId,
  incarnation: 1 as Incarnation,
  sessionEpoch: 2 as SessionEpoch,
  packetId: 3,
  digest: -4,
  messageId: '',
  receivedAtMs: 5,
  traceparent: '',
  message: { kind: 'telemetry', points: [] } as unknown as RecordMessage,
  ...more,
});

/** The parts of the line in the middle of a frame. */
function partsOf(line: string): Record<string, string> | null {
  const bytes = Buffer.from(`before"tp":"no"\n${line}\n{"v":1,"tp":"after"`);
  const from = bytes.indexOf('\n') + 1;
  const parts = new LineParts();
  if (!parts.read(bytes, from, from + Buffer.byteLength(line))) return null;
  const text = (span: { from: number; to: number }): string => bytes.toString('utf8', span.from, span.to);
  return {
    kind: text(parts.kind),
    tenant: text(parts.tenant),
    device: text(parts.device),
    traceparent: text(parts.traceparent),
  };
}

describe('LineParts', () => {
  it('finds kind, tenant, device and traceparent', () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    expect(partsOf(encodeRecord(record({ traceparent })))).toEqual({
      kind: 'telemetry',
      tenant: 'acme',
      device: 'pump:7',
      traceparent,
    });
    expect(partsOf(encodeRecord(record()))).toMatchObject({ traceparent: '' });
  });

  it('is not misled by what a device wrote into its id', () => {
    const messageId = '"tp":"evil" \\","device":"other';
    expect(partsOf(encodeRecord(record({ messageId, traceparent: 'real' })))).toMatchObject({
      device: 'pump:7',
      traceparent: 'real',
    });
  });

  it('knows what is no record line', () => {
    for (const line of ['a', '{}', '{"v":1,"k":"telemetry"}', '{"k":"x","tenant":"t"}', `${'x'.repeat(200)}"k":"y"`]) {
      expect(partsOf(line)).toBeNull();
    }
  });
});
