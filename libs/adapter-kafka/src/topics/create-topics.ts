import { PlatformError } from '@breakwater/twin-runtime';
import { Admin, ConfigResourceTypes, findErrorBy } from '@platformatic/kafka';

import { kafkaClientOptions, type KafkaConnectionOptions } from '../kafka-connection.ts';
import { kafkaError, kafkaFailureOf } from '../kafka-failure.ts';
import { TOPIC_ROLES, topicName } from '../topic-names.ts';
import { initialConfigs, requiredConfigs, type TopicPlan } from './topic-settings.ts';

/** The whole work is repeated instead of its steps: the library would also repeat what can never come to anything. */
const ADMIN = { retries: 0, connectTimeout: 3_000, requestTimeout: 10_000 };
const ATTEMPTS_MAX = 6;
const ATTEMPT_PAUSE_MS = 500;
/** A topic that was made a moment ago is not known to every broker at once. */
const KNOWN_WITHIN_MS = 30_000;
const MISSING_FOR_MS = 3_000;
const POLL_MS = 100;

/** Makes the topics that are missing, and then checks all of them. Answers the names of those that were made. */
export async function createTopics(connection: KafkaConnectionOptions, plan: TopicPlan): Promise<readonly string[]> {
  const made: string[] = [];
  return withAdmin(connection, async (admin) => {
    const existing = new Set(await admin.listTopics({}));
    for (const role of TOPIC_ROLES) {
      const topic = topicName(plan.prefix, role);
      if (existing.has(topic)) continue;
      if (await createTopic(admin, plan, { topic, configs: initialConfigs(plan, role) })) made.push(topic);
    }
    await untilKnown(admin, plan);
    await checkSoon(admin, plan);
    return made;
  });
}

/**
 * Refuses topics that would break a promise: another number of partitions, an acknowledgement by fewer replicas,
 * compaction, another clock.
 * @throws PlatformError `TOPIC_MISMATCH`
 */
export async function checkTopics(connection: KafkaConnectionOptions, plan: TopicPlan): Promise<void> {
  await withAdmin(connection, (admin) => checkSoon(admin, plan));
}

interface NewTopic {
  readonly topic: string;
  readonly configs: Readonly<Record<string, string>>;
}

/** False when somebody else was faster. */
async function createTopic(admin: Admin, plan: TopicPlan, { topic, configs }: NewTopic): Promise<boolean> {
  try {
    await admin.createTopics({
      topics: [topic],
      partitions: plan.partitionCount,
      replicas: plan.replicationFactor,
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    });
    return true;
  } catch (error) {
    if (findErrorBy(error as Error, 'apiId', 'TOPIC_ALREADY_EXISTS') !== null) return false;
    throw error;
  }
}

async function untilKnown(admin: Admin, plan: TopicPlan): Promise<void> {
  const deadline = performance.now() + KNOWN_WITHIN_MS;
  const topics = TOPIC_ROLES.map((role) => topicName(plan.prefix, role));
  for (;;) {
    const isKnown = await admin.metadata({ topics: [...topics], forceUpdate: true }).then(
      ({ topics: found }) =>
        [...found.values()].every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)),
      // Whoever may not see a topic waits for it in vain; the check says so.
      (error: unknown) => kafkaFailureOf(error).code === 'KAFKA_NOT_ALLOWED',
    );
    if (isKnown || performance.now() > deadline) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Any broker may be asked, and one that has not heard of a topic yet is no reason to refuse it. */
async function checkSoon(admin: Admin, plan: TopicPlan): Promise<void> {
  const deadline = performance.now() + MISSING_FOR_MS;
  for (;;) {
    try {
      return await checkWith(admin, plan);
    } catch (error) {
      const isMissing = error instanceof PlatformError && error.details['isMissing'] === true;
      if (!isMissing || performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function checkWith(admin: Admin, plan: TopicPlan): Promise<void> {
  const existing = new Set(await admin.listTopics({}));
  const topics = TOPIC_ROLES.map((role) => topicName(plan.prefix, role));
  const missing = topics.filter((topic) => !existing.has(topic));
  await mayBeSeen(admin, missing);
  const problems = missing.map((topic) => `there is no topic ${topic}`);
  const present = topics.filter((topic) => existing.has(topic));
  if (present.length > 0) {
    const metadata = await admin.metadata({ topics: [...present], forceUpdate: true });
    for (const topic of present) {
      const count = metadata.topics.get(topic)?.partitionsCount ?? 0;
      if (count === plan.partitionCount) continue;
      problems.push(`${topic} has ${count} partitions, and the installation ${plan.partitionCount}`);
    }
    problems.push(...(await configProblems(admin, plan, present)));
  }
  if (problems.length === 0) return;
  throw new PlatformError('TOPIC_MISMATCH', `Kafka's topics are not as they must be: ${problems.join('; ')}`, {
    details: { problems, isMissing: present.length < topics.length },
  });
}

/** A list leaves out what the user may not see; asked for by its name, Kafka says that he may not. */
async function mayBeSeen(admin: Admin, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    try {
      await admin.metadata({ topics: [topic], forceUpdate: true, retries: 0 });
    } catch (error) {
      if (kafkaFailureOf(error).code === 'KAFKA_NOT_ALLOWED') throw kafkaError(error, `topic ${topic}`);
    }
  }
}

async function configProblems(admin: Admin, plan: TopicPlan, topics: readonly string[]): Promise<string[]> {
  const required = requiredConfigs(plan);
  const described = await admin.describeConfigs({
    resources: topics.map((resourceName) => ({
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName,
      configurationKeys: Object.keys(required),
    })),
  });
  return described.flatMap(({ resourceName, configs }) => {
    const found = new Map(configs.map(({ name, value }) => [name, value ?? '']));
    return Object.entries(required).flatMap(([name, value]) => {
      const actual = found.get(name) ?? '';
      // More than is needed is no mismatch.
      const isMore = /^\d+$/.test(value) && Number(actual) >= Number(value);
      return actual === value || isMore ? [] : [`${resourceName} has ${name}=${actual}, and needs ${value}`];
    });
  });
}

/** Tries for some seconds where nobody answers, and not at all where the answer would be the same. */
async function withAdmin<Result>(
  connection: KafkaConnectionOptions,
  work: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptWith(connection, work);
    } catch (error) {
      const isFinal = error instanceof PlatformError && !error.retryable;
      if (isFinal || attempt === ATTEMPTS_MAX) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, ATTEMPT_PAUSE_MS));
  }
}

async function attemptWith<Result>(
  connection: KafkaConnectionOptions,
  work: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = new Admin({ ...kafkaClientOptions(connection), ...ADMIN });
  const broken: unknown[] = [];
  // Whoever waits for an answer only hears that the connection was closed, and not by what.
  admin.connections.on('connecting', ({ connection: each }) => {
    each.on('error', (error) => broken.push(error));
  });
  try {
    return await work(admin);
  } catch (error) {
    const causes =
      broken.length === 0 || error instanceof PlatformError ? error : new AggregateError([error, ...broken]);
    throw kafkaError(causes, `Kafka at ${connection.brokers.join(', ')}`);
  } finally {
    await admin.close();
  }
}
