import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';
import type { ChangeRecord } from '@breakwater/twin-runtime';
import { expect, it } from '@jest/globals';
import { Admin, ListOffsetTimestamps } from '@platformatic/kafka';

import { readTopic } from '../src/testing/index.ts';
import type { KafkaUnderTest } from './kafka-under-test.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const TIMEOUT_MS = 60_000;

/** What a record of `changes` is to whoever reads the topic with another client, as docs/protocol/changes.md says. */
export function changeTopicFormat(kafka: KafkaUnderTest): void {
  it(
    'is a CloudEvent with the key of the device to any other consumer',
    async () => {
      const feed = await kafka.emptyFeed({ topicPrefix: 'format' });
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const change: ChangeRecord = {
        ...{ key: 'acme/pump:7' as DeviceKey, incarnation: 2, changeNumber: 17, sections: ['desired'], tsMs: 1_000 },
        ...{ version: 5, reportedVersion: 3, logId: 'log' as LogId, lane: 'control', offset: 812 as Offset },
        document: '{"id":"pump:7"}',
      };
      await feed.publish(P1, [{ ...change, traceparent }]);
      await feed.publish(P1, [{ ...change, changeNumber: 18 }]);
      feed.close();
      const [first, second] = await readTopic(kafka.cluster.bootstrap, 'format.changes.v1');
      expect({ ...first, value: JSON.parse(first!.value) as unknown }).toEqual({
        key: 'acme/pump:7',
        partition: P1,
        headers: {
          ce_specversion: '1.0',
          'content-type': 'application/json',
          ce_type: 'format.twinChanged',
          ce_source: '/tenants/acme/devices/pump:7',
          ce_id: '2.17',
          traceparent,
        },
        value: {
          ...{ v: 1, k: 'twinChanged', tenant: 'acme', device: 'pump:7', tp: traceparent, incarnation: 2 },
          ...{ changeNumber: 17, ts: 1_000, sections: ['desired'], version: 5, reportedVersion: 3 },
          ...{ source: { logId: 'log', lane: 'control', offset: 812 }, twin: { id: 'pump:7' } },
        },
      });
      expect(second?.headers).toMatchObject({ ce_id: '2.18' });
      expect(second?.headers).not.toHaveProperty('traceparent');
    },
    TIMEOUT_MS,
  );

  it(
    'reads on with what is kept when changes were deleted before it had them, and tells live views of the gap',
    async () => {
      const feed = await kafka.emptyFeed({ topicPrefix: 'retention' });
      const change = (changeNumber: number): ChangeRecord => ({
        ...{ key: 'acme/one' as DeviceKey, incarnation: 1, changeNumber, sections: ['reported'], tsMs: 1 },
        ...{
          version: 0,
          reportedVersion: 1,
          logId: 'log' as LogId,
          lane: 'control',
          offset: 1 as Offset,
          document: '{}',
        },
      });
      for (const number of [1, 2, 3, 4]) await feed.publish(P0, [change(number)]);
      const admin = new Admin({ clientId: 'suite', bootstrapBrokers: kafka.cluster.bootstrap });
      const name = 'retention.changes.v1';
      await admin.deleteRecords({ topics: [{ name, partitions: [{ partition: P0, offset: 2n }] }] });
      const partitions = [{ partitionIndex: P0, timestamp: ListOffsetTimestamps.EARLIEST }];
      const [topic] = await admin.listOffsets({ topics: [{ name, partitions }] });
      expect(topic?.partitions[0]?.offset).toBe(2n);
      await admin.close();
      const entries = await feed.read(
        new Map([
          [P0, '1'],
          [P1, '0'],
        ]),
        { entriesMax: 10, waitMs: 1_000 },
      );
      expect(entries.map(({ cursor, change: { changeNumber } }) => [cursor, changeNumber])).toEqual([
        ['3', 3],
        ['4', 4],
      ]);
      expect((await feed.since(P0, change(1).key, '1', 10)).gap).toBe(true);
      expect((await feed.since(P0, change(1).key, '2', 10)).entries).toHaveLength(2);
      expect(await feed.entryAt(P0, '2')).toBeNull();
      feed.close();
    },
    TIMEOUT_MS,
  );
}
