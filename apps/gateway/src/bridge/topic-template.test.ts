import { describe, expect, it } from '@jest/globals';

import { TopicTemplate } from './topic-template.ts';

describe('topics of another broker', () => {
  it('name tenant, device and what is said', () => {
    const template = new TopicTemplate('{tenant}/{device}/{topic}', 'default');
    expect(template.filter).toBe('+/+/#');
    expect(template.read('acme/pump-7/twin/reported')).toEqual({
      tenant: 'acme',
      device: 'pump-7',
      topic: 'v1/devices/pump-7/twin/reported',
    });
    expect(template.read('acme/pump-7')?.topic).toBe('v1/devices/pump-7/');
  });

  it('are telemetry of one tenant where they leave the rest open', () => {
    const template = new TopicTemplate('plant/{device}/data', 'default');
    expect(template.filter).toBe('plant/+/data');
    expect(template.read('plant/p1/data')).toEqual({
      tenant: 'default',
      device: 'p1',
      topic: 'v1/devices/p1/telemetry',
    });
    for (const other of ['plant/p1', 'plant/p1/data/more', 'shop/p1/data', 'plant/p1/other']) {
      expect(template.read(other)).toBeNull();
    }
  });

  it.each(['ACME/p1/x', 'acme/me/x', 'acme/p 1/x', 'acme', '', '/p1/x'])('name no device in %s', (topic) => {
    expect(new TopicTemplate('{tenant}/{device}/{topic}', 'default').read(topic)).toBeNull();
  });

  it.each(['a/b', '{device}/{device}', '{topic}/{device}', '{device}/#', '{tenant}/{tenant}/{device}', '{device}x/a'])(
    'are not described by %s',
    (template) => {
      expect(() => new TopicTemplate(template, 'default')).toThrow('BRIDGE_TOPIC');
    },
  );
});
