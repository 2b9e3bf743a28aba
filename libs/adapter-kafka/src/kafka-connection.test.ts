import { describe, expect, it } from '@jest/globals';

import { kafkaClientOptions } from './kafka-connection.ts';

describe('the options of a client', () => {
  it('say the name of a broker at the beginning of TLS, where it is one', () => {
    const of = (...brokers: string[]) => kafkaClientOptions({ brokers, clientId: 'one', tls: {} });
    expect(of('broker-1.example:9093')).toMatchObject({ tls: {}, tlsServerName: true });
    expect(of('broker-1')).toMatchObject({ tlsServerName: true });
    for (const address of ['10.0.0.1:9093', '10.0.0.1', '[::1]:9093'])
      expect(of(address)).not.toHaveProperty('tlsServerName');
    expect(kafkaClientOptions({ brokers: ['broker-1'], clientId: 'one' })).toEqual({
      clientId: 'one',
      bootstrapBrokers: ['broker-1'],
    });
  });
});
