import { afterAll, beforeAll, describe } from '@jest/globals';
import { changeFeedContract, eventLogContract } from '@breakwater/twin-runtime/testing';

import { kafkaAvailable } from '../src/testing/index.ts';
import { changeTopicFormat } from './change-topic-format.ts';
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

  changeFeedContract('Kafka', {
    make: async ({ entriesKept }) => {
      const feed = await kafka.emptyFeed({ entriesKept });
      return { port: feed, cleanup: async () => feed.close() };
    },
  });

  changeTopicFormat(kafka);
});
