import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { addScramUser, kafkaAvailable } from '@breakwater/adapter-kafka/testing';
import { Installation } from '@breakwater/bench';
import { eventLogSettings, kafkaSettings, platformSettings, readSettings } from '@breakwater/config';
import { createKafkaTopics, type LogEngineSettings, openLogEngine } from '@breakwater/log-engine';
import type { Offset, Partition } from '@breakwater/twin';
import type { AppendRequest, AppendResult } from '@breakwater/twin-runtime';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { breakwater } from '../src/breakwater-command.ts';
import { GuardedKafka } from '../src/kafka/guarded-kafka.ts';
import { pause, until } from '../src/platform-steps.ts';

const TIMEOUT_MS = 120_000;
const PARTITIONS = 2;
const P0 = 0 as Partition;
/** Longer than a connection may live without proving itself again. */
const LONG_MS = 6_500;
const STEP_MS = 20;
const STRANGER = 'stranger';
const WRITER_ONLY = 'writer-only';
const ONE_LANE = 'one-lane';
const LIMITS = { framesMaxPerPartition: 10_000, waitMs: 2_000 };
/** No redis is needed where the log is in Kafka. */
const NO_REDIS = undefined as never;

type Environment = Readonly<Record<string, string>>;

(kafkaAvailable() ? describe : describe.skip)('a Kafka with TLS, users and permissions', () => {
  let kafka: GuardedKafka;
  beforeAll(async () => {
    kafka = await GuardedKafka.start();
  }, TIMEOUT_MS);
  afterAll(() => kafka?.stop(), TIMEOUT_MS);

  const ways: readonly (readonly [string, () => Environment])[] = [
    ['a password in SCRAM-SHA-512', () => kafka.environment('SCRAM-SHA-512')],
    ['a password in SCRAM-SHA-256', () => kafka.environment('SCRAM-SHA-256')],
    ['a password as it is', () => kafka.environment('PLAIN')],
    ['a certificate', () => kafka.certificateEnvironment()],
  ];
  it.each(ways)(
    'lets the platform in with %s, to do all that it needs to',
    async (_way, environment) => {
      const settings = settingsOf(environment());
      await createKafkaTopics(settings, 'suite');
      expect(await createKafkaTopics(settings, 'suite')).toEqual([]);
      const engine = openLogEngine(settings, 'suite');
      await engine.check();
      const log = engine.open(NO_REDIS);
      const producerId = `producer-${_way}`;
      const [result] = await log.append([frame(producerId, 1)]);
      expect(result).toMatchObject({ kind: 'appended' });
      const from = (result as Extract<AppendResult, { kind: 'appended' }>).firstOffset;
      const [batch] = await log.reader().read([{ lane: 'telemetry', partition: P0, from }], LIMITS);
      expect(batch?.frames[0]?.body.toString()).toBe(producerId);
      const marks = engine.lagMarks('writer')!;
      // The first group of all makes the brokers make a topic for groups first.
      await until('the group to be there', () => marks.mark(new Map([[P0, from + 1]])).then(() => true));
      log.close();
      await engine.close();
    },
    TIMEOUT_MS,
  );

  it.each(['classic', 'consumer'])(
    'proves itself again and again on connections that work: %s protocol',
    async (protocol) => {
      const settings = settingsOf({ ...kafka.environment(), KAFKA_GROUP_PROTOCOL: protocol });
      await createKafkaTopics(settings, 'suite');
      const engine = openLogEngine(settings, 'suite');
      const log = engine.open(NO_REDIS);
      const membership = engine.membershipOf(NO_REDIS, { memberId: 'one', leaseTtlMs: 1_000 });
      const endMs = performance.now() + LONG_MS;
      for (let seq = 1; performance.now() < endMs; seq += 1) {
        // Each rejects when a connection was refused anew.
        expect(await log.append([frame(`long-${protocol}`, seq)])).toMatchObject([{ kind: 'appended' }]);
        await membership.renew();
        await pause(STEP_MS);
      }
      expect([...membership.claims.held.keys()]).toEqual([0, 1]);
      await membership.leave();
      log.close();
      await engine.close();
    },
    TIMEOUT_MS,
  );

  const wrong: readonly (readonly [string, () => Environment, string, RegExp])[] = [
    [
      'another password',
      () => ({ ...kafka.environment(), KAFKA_SASL_PASSWORD: 'guessed-password' }),
      ...(['KAFKA_CREDENTIALS_REFUSED', /refuse KAFKA_SASL_USERNAME/] as const),
    ],
    [
      'another password, sent as it is',
      () => ({ ...kafka.environment('PLAIN'), KAFKA_SASL_PASSWORD: 'guessed-password' }),
      ...(['KAFKA_CREDENTIALS_REFUSED', /refuse KAFKA_SASL_USERNAME/] as const),
    ],
    [
      'another authority',
      () => ({ ...kafka.environment(), KAFKA_TLS_CA_FILE: kafka.strangeCaFile }),
      ...(['KAFKA_TLS_FAILED', /not trusted: .*KAFKA_TLS_CA_FILE/] as const),
    ],
    [
      'the authorities that Node.js comes with',
      () => ({ ...kafka.environment(), KAFKA_TLS_CA_FILE: '' }),
      ...(['KAFKA_TLS_FAILED', /not trusted: .*KAFKA_TLS_CA_FILE/] as const),
    ],
    [
      'a password, but no TLS',
      () => ({ ...kafka.environment(), KAFKA_TLS: 'off', KAFKA_TLS_CA_FILE: '' }),
      ...(['KAFKA_TLS_FAILED', /KAFKA_TLS/] as const),
    ],
    [
      'neither a password nor TLS',
      () => ({ EVENT_LOG: 'kafka', KAFKA_BROKERS: kafka.address }),
      ...(['KAFKA_TLS_FAILED', /the port speaks TLS, and KAFKA_TLS is off/] as const),
    ],
    [
      'TLS, to a port without',
      () => ({ ...kafka.environment(), KAFKA_BROKERS: kafka.plainAddress }),
      ...(['KAFKA_TLS_FAILED', /the port does not speak TLS, and KAFKA_TLS is on/] as const),
    ],
    [
      'no certificate, where one is wanted',
      () => ({ ...kafka.certificateEnvironment(), KAFKA_TLS_CERT_FILE: '', KAFKA_TLS_KEY_FILE: '' }),
      ...(['KAFKA_TLS_FAILED', /KAFKA_TLS_CERT_FILE/] as const),
    ],
    [
      'a user who may do nothing',
      () => ({ ...kafka.environment(), KAFKA_SASL_USERNAME: STRANGER }),
      ...(['KAFKA_NOT_ALLOWED', /AUTHORIZATION_FAILED/] as const),
    ],
    [
      'an address where nobody listens',
      () => ({ ...kafka.environment(), KAFKA_BROKERS: '127.0.0.1:1' }),
      ...(['BACKEND_UNAVAILABLE', /Kafka at 127\.0\.0\.1:1: .*ECONNREFUSED/] as const),
    ],
  ];
  it.each(wrong)(
    'says what is wrong with %s, and no password',
    async (_what, environment, code, message) => {
      await addScramUser(kafka.plainPort, {
        ...{ mechanism: 'SCRAM-SHA-512', username: STRANGER, password: kafka.password },
      });
      const settings = settingsOf(environment());
      const error: unknown = await createKafkaTopics(settings, 'suite').catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
      expect((error as Error).message).not.toMatch(/guessed-password|secret-/);
    },
    TIMEOUT_MS,
  );

  it(
    'appends where it may, and says of the rest alone that nothing is known',
    async () => {
      await addScramUser(kafka.plainPort, {
        ...{ mechanism: 'SCRAM-SHA-512', username: ONE_LANE, password: kafka.password },
      });
      await kafka.allow(ONE_LANE, [
        { resource: 'TOPIC', prefix: 'breakwater.', operations: ['DESCRIBE'] },
        { resource: 'TOPIC', prefix: 'breakwater.telemetry', operations: ['WRITE'] },
      ]);
      const engine = openLogEngine(settingsOf({ ...kafka.environment(), KAFKA_SASL_USERNAME: ONE_LANE }), 'suite');
      const log = engine.open(NO_REDIS);
      const control = { ...frame(ONE_LANE, 1), lane: 'control' } as const;
      const error = { message: expect.stringContaining('TOPIC_AUTHORIZATION_FAILED') };
      expect(await log.append([frame(ONE_LANE, 1), control])).toMatchObject([
        { kind: 'appended' },
        { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error },
      ]);
      await expect(log.append([control])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
      await kafka.allow(ONE_LANE, [{ resource: 'TOPIC', prefix: 'breakwater.control', operations: ['WRITE'] }]);
      await until('the rest to be appended', async () => {
        const [result] = await log.append([control]);
        return result?.kind === 'appended';
      });
      log.close();
      await engine.close();
    },
    TIMEOUT_MS,
  );

  it(
    'hears that it may not read, instead of nothing',
    async () => {
      await addScramUser(kafka.plainPort, {
        ...{ mechanism: 'SCRAM-SHA-512', username: WRITER_ONLY, password: kafka.password },
      });
      await kafka.allow(WRITER_ONLY, [{ resource: 'TOPIC', prefix: 'breakwater.', operations: ['WRITE'] }]);
      const engine = openLogEngine(settingsOf({ ...kafka.environment(), KAFKA_SASL_USERNAME: WRITER_ONLY }), 'suite');
      const log = engine.open(NO_REDIS);
      expect(await log.append([frame(WRITER_ONLY, 1)])).toMatchObject([{ kind: 'appended' }]);
      const read = log.reader().read([{ lane: 'telemetry', partition: P0, from: 0 as Offset }], LIMITS);
      await expect(read).rejects.toThrow('TOPIC_AUTHORIZATION_FAILED');
      const membership = engine.membershipOf(NO_REDIS, { memberId: 'one', leaseTtlMs: 1_000 });
      await expect(hearsTrouble(() => membership.renew())).resolves.toMatch(/GROUP_AUTHORIZATION_FAILED/);
      await membership.leave().catch(() => undefined);
      log.close();
      await engine.close();
    },
    TIMEOUT_MS,
  );

  it(
    'keeps `npm start` and `breakwater` from beginning with what is wrong, and tells the person',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'breakwater-'));
      const env = { ...kafka.environment(), KAFKA_SASL_PASSWORD: 'guessed-password' };
      try {
        const started: unknown = await Installation.start({ dataDir, env }).catch((thrown: unknown) => thrown);
        expect((started as Error).message).toContain('Breakwater did not start (KAFKA_CREDENTIALS_REFUSED)');
        const away = { dataDir, env: { ...env, KAFKA_BROKERS: '127.0.0.1:1' } };
        await expect(Installation.start(away)).rejects.toThrow('Breakwater did not start (KAFKA_MISSING)');
        const { code, stdout, stderr } = await breakwater({ dataDir, key: '', env }, 'log', 'topics');
        expect({ code, stderr }).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(/^KAFKA_CREDENTIALS_REFUSED: /),
        });
        for (const said of [(started as Error).message, stdout, stderr]) expect(said).not.toContain('guessed-password');
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );
});

function settingsOf(env: Environment): LogEngineSettings {
  const group = { ...platformSettings, ...eventLogSettings, ...kafkaSettings };
  return readSettings(group, { ...env, PARTITIONS: String(PARTITIONS) });
}

function frame(producerId: string, seq: number): AppendRequest {
  return { lane: 'telemetry', partition: P0, producerId, seq, body: producerId, recordCount: 1 };
}

/** A few failures in a row are nothing to talk about. */
async function hearsTrouble(attempt: () => Promise<void>): Promise<string> {
  const endMs = performance.now() + TIMEOUT_MS / 2;
  while (performance.now() < endMs) {
    try {
      await attempt();
    } catch (error) {
      return (error as Error).message;
    }
    await pause(STEP_MS);
  }
  return 'nothing';
}
