import type { Offset, Partition } from '@breakwater/twin';
import { partitionMembershipContract } from '@breakwater/twin-runtime/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Consumer } from '@platformatic/kafka';

import { KafkaCluster, kafkaAvailable } from '../src/testing/index.ts';
import { topicName } from '../src/topic-names.ts';
import { GROUP_PROPERTIES, kafkaGroup } from './kafka-group.ts';

const START_TIMEOUT_MS = 120_000;
const TRIES_MAX = 400;

(kafkaAvailable() ? describe : describe.skip)("membership in Kafka's group", () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await KafkaCluster.start({ properties: GROUP_PROPERTIES });
  }, START_TIMEOUT_MS);
  afterAll(() => cluster.stop(), START_TIMEOUT_MS);

  for (const protocol of ['classic', 'consumer'] as const) {
    partitionMembershipContract(`Kafka, ${protocol} protocol`, () => kafkaGroup(cluster.bootstrap, protocol));

    it(`lets Kafka's own offsets follow the positions: ${protocol} protocol`, async () => {
      const group = await kafkaGroup(cluster.bootstrap, protocol);
      const { membership } = await group.join();
      const consumer = new Consumer({
        ...{ clientId: 'lag-tool', bootstrapBrokers: cluster.bootstrap, groupId: group.groupId },
      });
      try {
        let committed: readonly (bigint | undefined)[] = [];
        for (let tries = 0; committed[3] !== 7n && tries < TRIES_MAX; tries += 1) {
          await membership.renew();
          membership.committed(3 as Partition, { control: 0 as Offset, telemetry: 7 as Offset });
          await group.pass();
          const topic = topicName(group.topicPrefix, 'telemetry');
          const offsets = await consumer.listCommittedOffsets({ topics: [{ topic, partitions: [0, 1, 2, 3, 4, 5] }] });
          committed = offsets.get(topic) ?? [];
        }
        expect(committed[3]).toBe(7n);
      } finally {
        await consumer.close(true);
        await group.cleanup();
      }
    });
  }
});
