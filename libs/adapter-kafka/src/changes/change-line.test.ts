import type { DeviceKey, LogId, Offset } from '@breakwater/twin';
import type { ChangeRecord } from '@breakwater/twin-runtime';
import { LineParts } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';

import { changeId, decodeChangeLine, encodeChangeLine } from './change-line.ts';

const CHANGE: ChangeRecord = {
  ...{ key: 'acme/pump:7' as DeviceKey, incarnation: 2, changeNumber: 17, sections: ['desired', 'tags'], tsMs: 1_000 },
  ...{ version: 5, reportedVersion: 3, logId: 'kafka.a.b' as LogId, lane: 'control', offset: 812 as Offset },
  document: '{"id":"pump:7","desired":{"note":",\\"twin\\":{}","tp":"evil","ä":1}}',
};

describe('the line of a change', () => {
  it('is as it is documented', () => {
    expect(JSON.parse(encodeChangeLine({ ...CHANGE, traceparent: '00-1-2-01' }))).toEqual({
      ...{ v: 1, k: 'twinChanged', tenant: 'acme', device: 'pump:7', tp: '00-1-2-01' },
      ...{ incarnation: 2, changeNumber: 17, ts: 1_000, sections: ['desired', 'tags'], version: 5, reportedVersion: 3 },
      source: { logId: 'kafka.a.b', lane: 'control', offset: 812 },
      twin: { id: 'pump:7', desired: { note: ',"twin":{}', tp: 'evil', ä: 1 } },
    });
    expect(changeId(CHANGE)).toBe('2.17');
  });

  it.each([CHANGE, { ...CHANGE, traceparent: '00-1-2-01' }])(
    'gives the change back, the document to the byte',
    (one) => {
      expect(decodeChangeLine(encodeChangeLine(one))).toEqual(one);
    },
  );

  it('says whose it is as lines of the lanes do, whatever a device has in its twin', () => {
    const bytes = Buffer.from(encodeChangeLine(CHANGE));
    const parts = new LineParts();
    expect(parts.read(bytes, 0, bytes.length)).toBe(true);
    const text = ({ from, to }: { from: number; to: number }): string => bytes.toString('utf8', from, to);
    expect([parts.kind, parts.tenant, parts.device, parts.traceparent].map(text)).toEqual([
      ...['twinChanged', 'acme', 'pump:7', ''],
    ]);
  });

  it('is refused when it is something else, or of a newer build', () => {
    for (const line of [
      '',
      '{}',
      'x,"twin":{}}',
      '{"k":"telemetry","twin":{}}',
      '{"v":1,"k":"reportState","twin":{}}',
    ]) {
      expect(() => decodeChangeLine(line)).toThrow(expect.objectContaining({ code: 'LOG_BATCH_UNREADABLE' }));
    }
    const newer = encodeChangeLine(CHANGE).replace('"v":1', '"v":2');
    expect(() => decodeChangeLine(newer)).toThrow(expect.objectContaining({ code: 'RECORD_VERSION_UNKNOWN' }));
  });
});
