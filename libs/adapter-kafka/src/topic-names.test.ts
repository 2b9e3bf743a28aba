import { describe, expect, it } from '@jest/globals';

import { kafkaClientOptions } from './kafka-connection.ts';
import { TOPIC_ROLES, topicName } from './topic-names.ts';

describe('topicName', () => {
  it('names the topics as other readers of them know them', () => {
    expect(TOPIC_ROLES.map((role) => topicName('breakwater', role))).toEqual([
      'breakwater.control.v1',
      'breakwater.telemetry.v1',
      'breakwater.changes.v1',
    ]);
  });
});

describe('kafkaClientOptions', () => {
  it('leaves out what is not set', () => {
    const options = { brokers: ['127.0.0.1:9092'], clientId: 'gateway' };
    expect(kafkaClientOptions(options)).toEqual({ clientId: 'gateway', bootstrapBrokers: ['127.0.0.1:9092'] });
    expect(kafkaClientOptions({ ...options, tls: {} })).toMatchObject({ tls: {} });
  });
});
