import { describe, expect, it } from '@jest/globals';
import type { DeviceId } from '@breakwater/twin';

import { parseUpTopic } from './topics.ts';

const DEVICE = 'pump-1' as DeviceId;

describe('parseUpTopic', () => {
  it.each([
    ['v1/devices/me/telemetry', { kind: 'telemetry' }],
    ['v1/devices/pump-1/telemetry', { kind: 'telemetry' }],
    ['v1/devices/me/attributes', { kind: 'reported' }],
    ['v1/devices/me/twin/reported', { kind: 'reported' }],
    ['v1/devices/me/twin/get', { kind: 'twinGet' }],
    ['v1/devices/me/status', { kind: 'status' }],
    ['v1/devices/me/attributes/request/17', { kind: 'attributesRequest', requestId: 17 }],
    ['v1/devices/me/events/boot', { kind: 'event', name: 'boot' }],
  ])('reads %s', (topic, expected) => {
    expect(parseUpTopic(topic, DEVICE)).toEqual(expected);
  });

  it.each([
    ['v1/devices/pump-2/telemetry', 'TOPIC_NOT_OWN'],
    ['v1/devices/pump-1', 'TOPIC_NOT_OWN'],
    ['v1/devices/me/telemetry/', 'TOPIC_UNKNOWN'],
    ['v1/devices/me/events/', 'TOPIC_UNKNOWN'],
    ['v1/devices/me/events/a/b', 'TOPIC_UNKNOWN'],
    ['v1/devices/me/twin/desired', 'TOPIC_UNKNOWN'],
    ['v1/devices/me/attributes/request/', 'TOPIC_UNKNOWN'],
    ['v1/devices/me/attributes/request/x', 'TOPIC_UNKNOWN'],
    ['v1/devices/me/attributes/request/-1', 'TOPIC_UNKNOWN'],
    ['telemetry', 'TOPIC_UNKNOWN'],
    ['', 'TOPIC_UNKNOWN'],
    ['$SYS/broker', 'TOPIC_UNKNOWN'],
  ])('refuses %s', (topic, refusal) => {
    expect(parseUpTopic(topic, DEVICE)).toBe(refusal);
  });
});
