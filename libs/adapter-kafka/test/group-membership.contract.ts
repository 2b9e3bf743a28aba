import type { Offset, Partition } from '@breakwater/twin';
import { partitionMembershipContract } from '@breakwater/twin-runtime/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Consumer } from '@platformatic/kafka';

import { KafkaLagMarks, KafkaPartitionHolders } from '../src/index.ts';
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

    it(`lets Kafka's own offsets follow the positions, and says what is held: ${protocol} protocol`, async () => {
      const group = await kafkaGroup(cluster.bootstrap, protocol);
      const { membership } = await group.join();
      const holders = new KafkaPartitionHolders({
        ...{ connection: { brokers: cluster.bootstrap, clientId: 'api' }, protocol },
        ...{ groupId: group.groupId, topicPrefix: group.topicPrefix },
      });
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
        expect(await holders.held([0, 5] as Partition[])).toEqual([true, true]);
        const marks = new KafkaLagMarks({
          connection: { brokers: cluster.bootstrap, clientId: 'writer' },
          groupId: `${group.topicPrefix}.writer`,
          topicPrefix: group.topicPrefix,
        });
        await marks.mark(new Map([[2 as Partition, 5]]));
        await marks.mark(new Map([[2 as Partition, 6]]));
        await marks.close();
        await membership.leave();
        expect(await holders.held([0, 5] as Partition[])).toEqual([false, false]);
      } finally {
        await holders.close();
        await consumer.close(true);
        await group.cleanup();
      }
    });
  }
});
