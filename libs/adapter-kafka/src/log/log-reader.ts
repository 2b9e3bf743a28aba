import { setImmediate as immediate } from 'node:timers/promises';

import { PlatformError, type ReadLimits } from '@breakwater/twin-runtime';

import { kafkaAway } from '../kafka-failure.ts';
import type { TopicRole } from '../topic-names.ts';
import type { BrokerConnections } from './broker-connections.ts';
import { fetchRequest } from './fetch-request.ts';
import { KAFKA_CODES, kafkaCodeName } from './kafka-codes.ts';
import type { Leader, LogTopology } from './log-topology.ts';
import { ReadPosition } from './read-position.ts';
import type { TopicReadBatch, TopicReadRequest } from './topic-frame.ts';

/** A broker holds a fetch for so long at most: partitions that are asked for meanwhile wait for its end. */
const FETCH_WAIT_MS_MAX = 500;
const PARTITION_BYTES_MAX = 1024 * 1024;
const FETCH_BYTES_MAX = 16 * 1024 * 1024;
const RETRY_MS = 100;
/** Whoever has other work waits no longer for a broker than this. */
const LATE_MS = 100;
/** A broker that has something answers at once; after this it is taken to hold the fetch until something comes. */
const HELD_MS = 20;
/** About how much is unpacked before others have their turn; a large batch is unpacked at once. */
const DECODED_PER_TURN = 256 * 1024;
/** A reader that cannot read says so after this; shorter troubles are those of every change of a leader. */
const TROUBLE_MS = 15_000;
/** What was fetched of a partition that nobody asks for any more is kept for so long. */
const KEPT_MS = 2_000;
const CANNOT_READ = 'Kafka cannot be read';
const NOTHING_YET = new PlatformError('BACKEND_UNAVAILABLE', 'Kafka did not answer in time', { retryable: true });

/**
 * Reads partitions from offsets that the caller names; Kafka keeps none for it. What was fetched beyond what was asked
 * for is kept, at most `PARTITION_BYTES_MAX` of a partition, and the next fetch begins while that is being worked on.
 * It is kept for a while of partitions too that the next call leaves out: a caller names those that it has worked off.
 * Partitions of different brokers are fetched at the same time, and whoever answers first is not kept waiting.
 */
export class LogReader<Role extends TopicRole> {
  readonly #topology: LogTopology;
  readonly #connections: BrokerConnections;
  readonly #positions = new Map<string, ReadPosition<Role>>();
  /** By broker; one fetch at a time each. */
  readonly #fetches = new Map<number, Promise<void>>();
  #isClosed = false;

  constructor(topology: LogTopology, connections: BrokerConnections) {
    this.#topology = topology;
    this.#connections = connections;
  }

  async read(
    requests: readonly TopicReadRequest<Role>[],
    limits: ReadLimits,
  ): Promise<readonly TopicReadBatch<Role>[]> {
    if (requests.length === 0) return [];
    const startedAtMs = performance.now();
    const asked = this.#moveTo(requests);
    for (;;) {
      const batches = asked.flatMap((position) => position.take(limits.framesMaxPerPartition) ?? []);
      if (batches.length > 0) {
        // A broker that holds a fetch keeps partitions waiting that are wanted before it answers: those that still have
        // something here, and those that whoever does not wait has left out.
        const holds = limits.waitMs > 0 && asked.every(({ isEmpty }) => isEmpty);
        await this.#startFetches(asked, holds ? FETCH_WAIT_MS_MAX : 0);
        return batches;
      }
      const leftMs = limits.waitMs - (performance.now() - startedAtMs);
      if (this.#isClosed || (leftMs <= 0 && this.#isAnswered(asked, limits, startedAtMs))) return [];
      if (leftMs <= 0 && performance.now() - startedAtMs > limits.waitMs + TROUBLE_MS) throw NOTHING_YET;
      await this.#startFetches(asked, Math.max(0, Math.min(leftMs, FETCH_WAIT_MS_MAX)));
      if (this.#fetches.size > 0) await this.#someFetch(leftMs > 0 ? leftMs + RETRY_MS : HELD_MS);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#connections.close();
  }

  /** Whoever does not want to wait wants to know that there is nothing, and not that nothing has come yet. */
  #isAnswered(asked: readonly ReadPosition<Role>[], { waitMs, mayMiss }: ReadLimits, startedAtMs: number): boolean {
    const nowMs = performance.now();
    if (waitMs > 0 || (mayMiss === true && nowMs - startedAtMs > LATE_MS)) return true;
    return asked.every(({ seenEmptyAtMs, heldSinceMs }) => {
      if (seenEmptyAtMs >= startedAtMs) return true;
      return mayMiss === true && heldSinceMs !== null && nowMs - heldSinceMs > HELD_MS;
    });
  }

  #moveTo(requests: readonly TopicReadRequest<Role>[]): readonly ReadPosition<Role>[] {
    const nowMs = performance.now();
    const asked = requests.map((request) => {
      const name = nameOf(request);
      let position = this.#positions.get(name);
      if (position === undefined) this.#positions.set(name, (position = new ReadPosition(request)));
      else position.moveTo(request.from);
      position.askedAtMs = nowMs;
      return position;
    });
    for (const [name, { askedAtMs }] of this.#positions) {
      if (nowMs - askedAtMs > KEPT_MS) this.#positions.delete(name);
    }
    return asked;
  }

  async #startFetches(asked: readonly ReadPosition<Role>[], waitMs: number): Promise<void> {
    const byLeader = new Map<number, { readonly leader: Leader; readonly positions: ReadPosition<Role>[] }>();
    let isLeaderless = false;
    for (const position of asked) {
      if (!position.isEmpty) continue;
      const leader = await this.#leaderOf(position);
      if (leader === null) isLeaderless = true;
      else if (byLeader.has(leader.nodeId)) byLeader.get(leader.nodeId)!.positions.push(position);
      else byLeader.set(leader.nodeId, { leader, positions: [position] });
    }
    for (const [nodeId, { leader, positions }] of byLeader) {
      if (this.#fetches.has(nodeId)) continue;
      // A batch that is larger than what one partition may bring comes only when nothing before it brings anything.
      positions.sort((left, right) => left.broughtAtMs - right.broughtAtMs);
      const fetch = this.#fetch(leader, positions, waitMs).finally(() => this.#fetches.delete(nodeId));
      this.#fetches.set(nodeId, fetch);
    }
    if (isLeaderless && this.#fetches.size === 0) {
      await pause();
      await this.#topology.refresh().catch(() => undefined);
    }
  }

  /** Until one is answered, and no longer than that: a broker that hangs says nothing for many seconds. */
  async #someFetch(waitMsMax: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMsMax);
    });
    await Promise.race([...this.#fetches.values(), passed]);
    clearTimeout(timer);
  }

  async #leaderOf(position: ReadPosition<Role>): Promise<Leader | null> {
    const known = this.#topology.knownLeaderOf(position.lane, position.partition);
    if (known !== null) return known;
    try {
      return await this.#topology.leaderOf(position.lane, position.partition);
    } catch (error) {
      this.#troubled([position], error);
      return null;
    }
  }

  async #fetch(leader: Leader, positions: readonly ReadPosition<Role>[], waitMs: number): Promise<void> {
    try {
      const topicIds = new Map<Role, string>();
      for (const { lane } of positions) topicIds.set(lane, await this.#topology.topicIdOf(lane));
      const asked = positions.map((position) => ({
        position,
        topicId: topicIds.get(position.lane)!,
        partition: position.partition,
        from: position.next,
      }));
      const limits = { waitMs, partitionBytesMax: PARTITION_BYTES_MAX, bytesMax: FETCH_BYTES_MAX };
      const sentAtMs = performance.now();
      if (waitMs > 0) for (const position of positions) position.heldSinceMs = sentAtMs;
      const answer = await this.#connections.ask(leader, fetchRequest(asked, limits));
      if (answer.errorCode !== 0) throw answeredError(answer.errorCode);
      const answers = new Map(answer.partitions.map((each) => [`${each.topicId}:${each.partition}`, each]));
      const misplaced: ReadPosition<Role>[] = [];
      let unpacked = 0;
      for (const { position, topicId, partition, from } of asked) {
        const found = answers.get(`${topicId}:${partition}`);
        unpacked += found?.bytes ?? 0;
        if (unpacked > DECODED_PER_TURN) {
          await immediate();
          unpacked = found?.bytes ?? 0;
        }
        if (found !== undefined && position.fetched(from, found, sentAtMs)) continue;
        if (found !== undefined) this.#troubled([position], answeredError(found.errorCode));
        misplaced.push(position);
      }
      if (misplaced.length > 0) await this.#findAgain(misplaced);
    } catch (error) {
      this.#troubled(positions, error);
      await this.#findAgain(positions);
    } finally {
      for (const position of positions) position.heldSinceMs = null;
    }
  }

  /** Somebody else leads them by now, or nobody. */
  async #findAgain(positions: readonly ReadPosition<Role>[]): Promise<void> {
    await pause();
    try {
      await this.#topology.refresh();
    } catch (error) {
      this.#troubled(positions, error);
    }
  }

  #troubled(positions: readonly ReadPosition<Role>[], error: unknown): void {
    const nowMs = performance.now();
    for (const position of positions) {
      position.troubleSinceMs ??= nowMs;
      const isOurs = error instanceof PlatformError;
      if (isOurs) position.fail(error);
      else if (nowMs - position.troubleSinceMs > TROUBLE_MS) position.fail(kafkaAway(error, CANNOT_READ));
    }
  }
}

/** A leader that moves is found again soon; a permission that is missing does not come by itself. */
function answeredError(code: number): Error {
  const message = `${CANNOT_READ}: the answer is ${kafkaCodeName(code)}`;
  if (code !== KAFKA_CODES.topicAuthorizationFailed) return new Error(message);
  return new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true });
}

function nameOf({ lane, partition }: { readonly lane: TopicRole; readonly partition: number }): string {
  return `${lane}:${partition}`;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}
