import { afterAll, beforeAll, describe } from '@jest/globals';
import { eventLogContract } from '@breakwater/twin-runtime/testing';

import { kafkaAvailable } from '../src/testing/index.ts';
import { KafkaUnderTest } from './kafka-under-test.ts';

const START_TIMEOUT_MS = 120_000;

(kafkaAvailable() ? describe : describe.skip)('one Kafka broker', () => {
  const kafka = new KafkaUnderTest();
  beforeAll(() => kafka.start(), START_TIMEOUT_MS);
  afterAll(() => kafka.stop(), START_TIMEOUT_MS);

  eventLogContract(
    'Kafka',
    {
      make: async ({ frameBytesMax }) => {
        const log = await kafka.emptyLog({ frameBytesMax });
        return { port: log, cleanup: () => log.close() };
      },
    },
    { laneBudgets: false },
  );
});
