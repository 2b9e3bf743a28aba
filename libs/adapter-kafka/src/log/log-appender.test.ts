import type { Partition } from '@breakwater/twin';
import type { AppendRequest, AppendResult } from '@breakwater/twin-runtime';
import type { Broker } from '@platformatic/kafka';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { BrokerRequest } from './broker-connections.ts';
import type { Leader } from './log-topology.ts';
import { LogAppender } from './log-appender.ts';
import type { ProduceAnswer } from './produce-request.ts';

const TOPIC = 'telemetry';
const ANSWER_WITHIN_MS = 1_000;
const PRODUCE = 0;
const P0 = 0 as Partition;
const P1 = 1 as Partition;

/** A broker per partition, each of which answers what it is asked, or keeps silent. */
class Brokers {
  readonly silent = new Set<number>();
  readonly #ends = [0, 0];
  /** What was asked of a silent one, to be answered late. */
  readonly #waiting: (() => void)[] = [];

  readonly topology = {
    refresh: () => Promise.resolve(),
    knownLeaderOf: (_lane: string, partition: Partition): Leader => leader(partition),
    leaderOf: (_lane: string, partition: Partition) => Promise.resolve(leader(partition)),
    topicOf: () => TOPIC,
  };

  readonly connections = {
    cut: () => undefined,
    ask: <Answer>({ port }: Broker, request: BrokerRequest<Answer>): Promise<Answer> => {
      if (request.apiKey !== PRODUCE) return Promise.resolve({ producerId: 1n, producerEpoch: 0 } as Answer);
      return new Promise((resolve) => {
        const answer = (): void => resolve([this.#produced(port)] as Answer);
        if (this.silent.has(port)) this.#waiting.push(answer);
        else answer();
      });
    },
  };

  answerLate(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  #produced(partition: number): ProduceAnswer {
    const baseOffset = this.#ends[partition]!;
    this.#ends[partition] = baseOffset + 1;
    return { topic: TOPIC, partition, errorCode: 0, baseOffset, appendedAtMs: 1, detail: '' };
  }
}

describe('appending to several partitions in one call', () => {
  let brokers: Brokers;
  let appender: LogAppender;
  beforeEach(() => {
    jest.useFakeTimers();
    brokers = new Brokers();
    const { topology, connections } = brokers;
    const limits = { frameBytesMax: 1_000, answerWithinMs: ANSWER_WITHIN_MS };
    appender = new LogAppender({ topology, connections, encoder: { encode: () => Buffer.from('batch') }, ...limits });
  });
  afterEach(() => {
    appender.close();
    jest.useRealTimers();
  });

  it('answers for each by itself: a slow one costs the others neither their outcome nor much patience', async () => {
    brokers.silent.add(P1);
    const answers = appender.append([frame(P0, 1), frame(P1, 1)]);
    await jest.advanceTimersByTimeAsync(ANSWER_WITHIN_MS / 2);
    expect(await settledOf(answers)).toMatchObject([
      { kind: 'appended', firstOffset: 0 },
      { kind: 'unknown', code: 'OUTCOME_UNKNOWN' },
    ]);
  });

  it('tells whoever asks again what became of it, and appends it once', async () => {
    brokers.silent.add(P1);
    const first = appender.append([frame(P0, 1), frame(P1, 1)]);
    await jest.advanceTimersByTimeAsync(ANSWER_WITHIN_MS);
    await first;
    const again = appender.append([frame(P0, 2), frame(P1, 1)]);
    brokers.answerLate();
    await jest.advanceTimersByTimeAsync(1);
    expect(await settledOf(again)).toMatchObject([
      { kind: 'appended', firstOffset: 1 },
      { kind: 'appended', firstOffset: 0 },
    ]);
  });

  it('rejects when nothing is known of any, with the whole patience', async () => {
    for (const partition of [P0, P1]) brokers.silent.add(partition);
    const answers = appender.append([frame(P0, 1), frame(P1, 1)]);
    const caught = answers.catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(ANSWER_WITHIN_MS - 1);
    await expect(settledOf(answers)).rejects.toThrow('nobody has answered yet');
    await jest.advanceTimersByTimeAsync(1);
    expect(await caught).toMatchObject({ code: 'BACKEND_UNAVAILABLE', retryable: true });
  });
});

function leader(partition: Partition): Leader {
  return { nodeId: partition, host: 'broker', port: partition };
}

function frame(partition: Partition, seq: number): AppendRequest {
  return { lane: 'telemetry', partition, producerId: 'producer', seq, body: 'a', recordCount: 1 };
}

/** What it has settled with; never waits. */
function settledOf(answers: Promise<readonly AppendResult[]>): Promise<readonly AppendResult[]> {
  return Promise.race([answers, notYet()]);
}

async function notYet(): Promise<never> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  throw new Error('nobody has answered yet');
}
