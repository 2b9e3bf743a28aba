import { describe, expect, it } from '@jest/globals';
import type { Offset, Partition } from '@breakwater/twin';

import { ControlProducer } from './control-producer.ts';
import type { AppendRequest, AppendResult, EventLog } from './ports/event-log.ts';

const PARTITION = 3 as Partition;

/** A log that keeps what it is given and whose replies can be lost, after or before the write. */
class ScriptedLog {
  readonly lines: string[] = [];
  readonly requests: AppendRequest[] = [];
  readonly #seqs = new Map<string, number>();
  faults: ('unknown' | 'lostBefore' | 'lostAfter' | 'lostAfterAndForgotten' | 'LANE_FULL' | 'PRODUCER_FENCED')[] = [];

  forgetProducers(): void {
    this.#seqs.clear();
  }

  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const fault = this.faults.shift();
    const [request] = requests as [AppendRequest];
    this.requests.push(request);
    if (fault === 'lostBefore') return Promise.reject(new Error('connection lost'));
    if (fault === 'unknown')
      return Promise.resolve([{ kind: 'unknown', code: 'OUTCOME_UNKNOWN', error: new Error('connection lost') }]);
    if (fault === 'LANE_FULL' || fault === 'PRODUCER_FENCED')
      return Promise.resolve([{ kind: 'refused', code: fault }]);
    const last = this.#seqs.get(request.producerId) ?? 0;
    if (request.seq > last + 1) return Promise.resolve([{ kind: 'refused', code: 'SEQUENCE_GAP' }]);
    const repeated = request.seq <= last;
    if (!repeated) {
      this.lines.push(...request.body.toString().split('\n'));
      this.#seqs.set(request.producerId, request.seq);
    }
    if (fault === 'lostAfterAndForgotten') this.forgetProducers();
    if (fault === 'lostAfter' || fault === 'lostAfterAndForgotten') return Promise.reject(new Error('connection lost'));
    const firstOffset = (this.lines.length - request.recordCount) as Offset;
    return Promise.resolve([{ kind: 'appended', firstOffset, appendedAtMs: 1, repeated }]);
  }
}

function producerOn(log: ScriptedLog, options: { queueLengthMax?: number } = {}): ControlProducer {
  return new ControlProducer({
    log: log as unknown as EventLog,
    clock: { nowMs: () => 0, sleep: () => Promise.resolve() },
    producerId: 'p',
    attemptsMax: 3,
    ...options,
  });
}

describe('ControlProducer', () => {
  it('gives each record its offset, also within a shared frame', async () => {
    const log = new ScriptedLog();
    const producer = producerOn(log);
    const results = await Promise.all(['a', 'b', 'c'].map((line) => producer.append('control', PARTITION, line)));
    expect(results.map((result) => result.kind === 'appended' && result.offset)).toEqual([0, 1, 2]);
    expect(log.requests).toHaveLength(1);
    await producer.append('control', PARTITION, 'd');
    expect(log.lines).toEqual(['a', 'b', 'c', 'd']);
    expect(log.requests[1]?.seq).toBe(2);
  });

  it('repeats a frame with a lost reply under its own number, so that it is there once', async () => {
    const log = new ScriptedLog();
    log.faults = ['lostAfter', 'unknown'];
    const result = await producerOn(log).append('control', PARTITION, 'a');
    expect(result).toEqual({ kind: 'appended', offset: 0, appendedAtMs: 1 });
    expect(log.lines).toEqual(['a']);
    expect(log.requests.map(({ seq }) => seq)).toEqual([1, 1, 1]);
  });

  it('gives up after the last attempt and goes on as a new producer', async () => {
    const log = new ScriptedLog();
    log.faults = ['lostAfter', 'lostAfter', 'lostAfter'];
    const producer = producerOn(log);
    await expect(producer.append('control', PARTITION, 'a')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(producer.append('control', PARTITION, 'b')).resolves.toMatchObject({ kind: 'appended', offset: 1 });
    expect(log.lines).toEqual(['a', 'b']);
    expect(log.requests.at(-1)?.producerId).not.toBe('p');
  });

  it('hands a refusal on, and uses the number again', async () => {
    const log = new ScriptedLog();
    log.faults = ['LANE_FULL'];
    const producer = producerOn(log);
    await expect(producer.append('control', PARTITION, 'a')).resolves.toEqual({ kind: 'refused', code: 'LANE_FULL' });
    await expect(producer.append('control', PARTITION, 'b')).resolves.toMatchObject({ kind: 'appended' });
    expect(log.lines).toEqual(['b']);
  });

  it('goes on as a new producer after it was fenced', async () => {
    const log = new ScriptedLog();
    const producer = producerOn(log);
    await producer.append('control', PARTITION, 'a');
    log.faults = ['PRODUCER_FENCED'];
    await expect(producer.append('control', PARTITION, 'b')).resolves.toMatchObject({ kind: 'appended', offset: 1 });
    expect(log.lines).toEqual(['a', 'b']);
    expect(log.requests.at(-1)).toMatchObject({ producerId: 'p.1', seq: 1 });
  });

  it('goes on as a new producer when the log has forgotten it', async () => {
    const log = new ScriptedLog();
    const producer = producerOn(log);
    await producer.append('control', PARTITION, 'a');
    log.forgetProducers();
    await expect(producer.append('control', PARTITION, 'b')).resolves.toMatchObject({ kind: 'appended', offset: 1 });
    await expect(producer.append('control', PARTITION, 'c')).resolves.toMatchObject({ kind: 'appended', offset: 2 });
    expect(log.lines).toEqual(['a', 'b', 'c']);
  });

  it('hands on a gap after an attempt of unknown outcome: the record may be in the log already', async () => {
    const log = new ScriptedLog();
    const producer = producerOn(log);
    await producer.append('control', PARTITION, 'a');
    log.faults = ['lostAfterAndForgotten'];
    const result = await producer.append('control', PARTITION, 'b');
    expect(result).toEqual({ kind: 'refused', code: 'SEQUENCE_GAP' });
    expect(log.lines).toEqual(['a', 'b']);
  });

  it('gives the number of a frame that may be in the log to no other, whatever it is refused for', async () => {
    const log = new ScriptedLog();
    const producer = producerOn(log);
    log.faults = ['lostAfter', 'LANE_FULL'];
    await expect(producer.append('control', PARTITION, 'a')).resolves.toMatchObject({ code: 'LANE_FULL' });
    await expect(producer.append('control', PARTITION, 'b')).resolves.toMatchObject({ kind: 'appended', offset: 1 });
    expect(log.lines).toEqual(['a', 'b']);
  });

  it('repeats a refused frame once only', async () => {
    const log = new ScriptedLog();
    log.faults = ['PRODUCER_FENCED', 'PRODUCER_FENCED'];
    await expect(producerOn(log).append('control', PARTITION, 'a')).resolves.toMatchObject({ code: 'PRODUCER_FENCED' });
    expect(log.requests).toHaveLength(2);
  });

  it('holds a bounded number of records', async () => {
    const log = new ScriptedLog();
    const producer = producerOn(log, { queueLengthMax: 2 });
    const results = await Promise.all(['a', 'b', 'c'].map((line) => producer.append('control', PARTITION, line)));
    expect(results[2]).toEqual({ kind: 'refused', code: 'LANE_FULL' });
    expect(log.lines).toEqual(['a', 'b']);
  });
});
