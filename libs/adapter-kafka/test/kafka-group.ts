import { randomUUID } from 'node:crypto';

import { systemClock } from '@breakwater/twin-runtime';
import type { GroupUnderTest, MemberUnderTest } from '@breakwater/twin-runtime/testing';
import { Admin } from '@platformatic/kafka';

import { type GroupCall, GroupCoordinator, type GroupLink } from '../src/group/group-coordinator.ts';
import { type GroupProtocolName, KafkaGroupMembership } from '../src/group/kafka-group-membership.ts';
import { topicName } from '../src/topic-names.ts';

/** Far below what Kafka takes by default, so that nobody waits long for a silent member. */
const SESSION_TIMEOUT_MS = 2_500;
export const GROUP_PROPERTIES = {
  'group.min.session.timeout.ms': 1_000,
  'group.consumer.min.session.timeout.ms': 1_000,
  'group.consumer.session.timeout.ms': SESSION_TIMEOUT_MS,
  'group.consumer.min.heartbeat.interval.ms': 100,
  'group.consumer.heartbeat.interval.ms': 500,
};
const KAFKAS_SESSION_TIMEOUT_MS = 45_000;
const PARTITIONS = 6;
const OFFSETS_INTERVAL_MS = 100;
const PASS_MS = 25;

export interface KafkaGroup extends GroupUnderTest {
  readonly groupId: string;
  readonly topicPrefix: string;
}

/** A group of its own over topics of its own. */
export async function kafkaGroup(brokers: readonly string[], protocol: GroupProtocolName): Promise<KafkaGroup> {
  const topicPrefix = `test-${randomUUID()}`;
  const groupId = `${topicPrefix}.twins`;
  await createTopics(brokers, [topicName(topicPrefix, 'telemetry'), topicName(topicPrefix, 'control')]);
  const members: { readonly membership: KafkaGroupMembership; readonly link: CuttableLink }[] = [];
  // With the newer protocol the brokers' holds, and members find it out.
  const assumedMs = protocol === 'consumer' ? KAFKAS_SESSION_TIMEOUT_MS : SESSION_TIMEOUT_MS;
  const join = async (): Promise<MemberUnderTest> => {
    const connection = { brokers, clientId: `member-${members.length + 1}` };
    const link = new CuttableLink(new GroupCoordinator(connection, groupId));
    const membership = new KafkaGroupMembership({
      ...{ connection, groupId, topicPrefix, protocol, link, partitionCount: PARTITIONS },
      ...{ sessionTimeoutMs: assumedMs, offsetsIntervalMs: OFFSETS_INTERVAL_MS, clock: systemClock },
    });
    members.push({ membership, link });
    return {
      membership,
      nowMs: () => systemClock.nowMs(),
      cut: () => (link.isCut = true),
      mend: () => (link.isCut = false),
    };
  };
  const cleanup = async (): Promise<void> => {
    for (const { membership, link } of members) {
      link.isCut = false;
      await membership.leave().catch(() => undefined);
    }
  };
  const pass = (): Promise<void> => systemClock.sleep(PASS_MS);
  const movesInVain = protocol === 'consumer';
  return { partitionCount: PARTITIONS, movesInVain, groupId, topicPrefix, join, pass, cleanup };
}

async function createTopics(brokers: readonly string[], topics: string[]): Promise<void> {
  const admin = new Admin({ clientId: 'group-under-test', bootstrapBrokers: [...brokers] });
  try {
    await admin.createTopics({ topics, partitions: PARTITIONS, replicas: 1 });
  } finally {
    await admin.close();
  }
}

/** A network that can be cut: nothing is sent, and what was under way gets no answer. */
class CuttableLink implements GroupLink {
  isCut = false;
  readonly #link: GroupLink;

  constructor(link: GroupLink) {
    this.#link = link;
  }

  async call<Args extends unknown[], Answer>(call: GroupCall<Args, Answer>): Promise<Answer> {
    this.#check();
    const answer = await this.#link.call(call);
    this.#check();
    return answer;
  }

  forget(): void {
    this.#link.forget();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #check(): void {
    if (this.isCut) throw new Error('the network is cut');
  }
}
