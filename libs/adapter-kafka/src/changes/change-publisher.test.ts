import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';
import type { AppendResult, ChangeRecord } from '@breakwater/twin-runtime';
import { beforeEach, describe, expect, it } from '@jest/globals';

import type { TopicFrame } from '../log/topic-frame.ts';
import { changeId, decodeChangeLine } from './change-line.ts';
import { ChangePublisher } from './change-publisher.ts';

const APPENDED: AppendResult = { kind: 'appended', firstOffset: 0 as Offset, appendedAtMs: 1, repeated: false };

function change(changeNumber: number, document = '{}'): ChangeRecord {
  return {
    ...{ key: 't/d' as DeviceKey, incarnation: 1, changeNumber, sections: ['desired'], tsMs: 1, version: 1 },
    ...{ reportedVersion: 0, logId: 'log' as LogId, lane: 'control', offset: 1 as Offset, document },
  };
}

function numbersOf({ body }: TopicFrame): readonly number[] {
  return String(body)
    .split('\n')
    .map((line) => decodeChangeLine(line).changeNumber);
}

describe('the publisher of changes', () => {
  let sent: TopicFrame[];
  let answers: (AppendResult | Error)[];
  let publisher: ChangePublisher;

  beforeEach(() => {
    sent = [];
    answers = [];
    publisher = new ChangePublisher({
      ...{ partition: 3 as Partition, batchBytesMax: 1_000 },
      append: async ([frame]) => {
        sent.push(frame!);
        const answer = answers.shift() ?? APPENDED;
        if (answer instanceof Error) throw answer;
        return [answer];
      },
    });
  });

  it('numbers batches without gaps, in the order of the calls, and names each change', async () => {
    await Promise.all([publisher.publish([change(1), change(2)]), publisher.publish([change(3)])]);
    expect(sent.map(({ seq, lane, partition }) => [seq, lane, partition])).toEqual([
      [1, 'changes', 3],
      [2, 'changes', 3],
    ]);
    expect(sent.map(numbersOf)).toEqual([[1, 2], [3]]);
    expect(sent[0]?.recordIds).toEqual([1, 2].map((number) => changeId(change(number))));
  });

  it('cuts what is too much for a batch, and gives a change that is larger one of its own', async () => {
    const large = JSON.stringify('x'.repeat(2_000));
    await publisher.publish([change(1), change(2, large), change(3), change(4)]);
    expect(sent.map(numbersOf)).toEqual([[1], [2], [3, 4]]);
  });

  it.each<AppendResult | Error>([
    new Error('no answer'),
    { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error: new Error('no answer') },
  ])('settles a batch of unknown outcome under its number before anything else', async (unknown) => {
    answers = [unknown, unknown];
    await expect(publisher.publish([change(1)])).rejects.toThrow();
    await expect(publisher.publish([change(2)])).rejects.toThrow();
    await publisher.publish([change(1)]);
    expect(sent.map((frame) => [frame.seq, ...numbersOf(frame)])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [2, 1],
    ]);
    expect(new Set(sent.map(({ producerId }) => producerId)).size).toBe(1);
  });

  it('takes a new producer when its numbers are no longer known', async () => {
    await publisher.publish([change(1)]);
    answers = [{ kind: 'refused', code: 'SEQUENCE_GAP' }];
    await expect(publisher.publish([change(2)])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await publisher.publish([change(2)]);
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 1]);
    expect(sent[2]?.producerId).not.toBe(sent[1]?.producerId);
  });

  it('keeps its number when there was no room', async () => {
    answers = [{ kind: 'refused', code: 'LANE_FULL' }];
    await expect(publisher.publish([change(1)])).rejects.toMatchObject({ retryable: true });
    await publisher.publish([change(2)]);
    expect(sent.map((frame) => [frame.seq, ...numbersOf(frame)])).toEqual([
      [1, 1],
      [1, 2],
    ]);
  });
});
