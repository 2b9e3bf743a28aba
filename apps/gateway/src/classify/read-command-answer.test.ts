import { describe, expect, it } from '@jest/globals';
import type { DeviceId } from '@breakwater/twin';

import { classify } from './classify.ts';

const SENDER = { device: 'pump-1' as DeviceId, payloadFormat: 'auto' } as const;

function read(topic: string, payload: string): unknown {
  const incoming = {
    topic: `v1/devices/me/${topic}`,
    payload: Buffer.from(payload),
    contentType: null,
    userProperties: [],
  };
  const classified = classify(incoming, SENDER, 1_000);
  return classified.kind === 'good' ? { ...classified.message, lane: classified.lane } : classified.code;
}

describe('what a device says of a command', () => {
  it.each([
    ['commands/c1/progress', '{}', { kind: 'commandProgressed', commandId: 'c1' }],
    ['commands/c1/progress', '{"percent":40,"note":"n"}', { kind: 'commandProgressed', percent: 40, note: 'n' }],
    ['commands/a.b:c/response', '{"status":"SUCCEEDED"}', { kind: 'commandAnswered', commandId: 'a.b:c' }],
    [
      'commands/c1/response',
      '{"status":"FAILED","reason":"r","result":[1]}',
      { status: 'FAILED', reason: 'r', result: [1] },
    ],
    [
      'rpc/response/7',
      '{"temp":1}',
      { kind: 'commandAnswered', requestId: 7, status: 'SUCCEEDED', result: { temp: 1 } },
    ],
    ['rpc/response/7', '{"error":"no"}', { requestId: 7, status: 'FAILED' }],
    ['rpc/response/7', 'true', { requestId: 7, status: 'SUCCEEDED', result: true }],
  ])('%s %s is read', (topic, payload, wanted) => {
    expect(read(topic, payload)).toMatchObject({ lane: 'control', ...wanted });
  });

  it.each([
    ['commands/c1/progress', '{"percent":101}'],
    ['commands/c1/progress', '{"percent":"40"}'],
    ['commands/c1/progress', '[]'],
    ['commands/c1/response', '{}'],
    ['commands/c1/response', '{"status":"TIMED_OUT"}'],
    ['commands/c1/response', '{"status":"toString"}'],
    ['commands/c1/response', '{"status":"FAILED","reason":1}'],
  ])('%s %s is refused', (topic, payload) => {
    expect(read(topic, payload)).toBe('PAYLOAD_MALFORMED');
  });

  it.each(['commands/c1', 'commands/c1/request', 'commands//response', 'rpc/response/x', 'rpc/request/1'])(
    '%s is no topic to publish to',
    (topic) => {
      expect(read(topic, '{}')).toBe('TOPIC_UNKNOWN');
    },
  );
});
