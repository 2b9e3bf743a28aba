import type { MemoryEventLog, MemoryTwinStore } from '@breakwater/adapter-memory';
import type { EventLog, OutcomeCounts, ShardCommit, TwinModel, TwinStore } from '@breakwater/twin-runtime';

import type { StoreHistory, StoreOperation } from '../history/store-history.ts';
import type { History } from './history.ts';
import type { Trace } from './trace.ts';

interface Watch {
  readonly history: History;
  /** The same checker that reads the recordings of real stores. */
  readonly operations: StoreHistory;
  readonly model: TwinModel;
  readonly trace: Trace;
  readonly nowMs: () => number;
}

/** The log that outlives every process, with the checker told of all that becomes durable in it. */
export function checkedLog(log: MemoryEventLog, { history, operations, trace, nowMs }: Watch): EventLog {
  return {
    logId: () => log.logId(),
    append: async (requests) => {
      const results = await log.append(requests);
      for (const [index, request] of requests.entries()) {
        const result = results[index];
        if (result?.kind !== 'appended' || result.repeated) continue;
        const { appendedAtMs, firstOffset } = result;
        const { lane, partition, producerId, seq, recordCount } = request;
        operations.record({ kind: 'appended', partition, lane, firstOffset, records: recordCount, producerId, seq });
        const lines = request.body.toString().split('\n');
        const records = lines.map((line) => ({ line, appendedAtMs }));
        history.appended(request.lane, request.partition, records);
        trace.add(nowMs(), `append ${request.lane}/${request.partition} ${result.firstOffset}+${records.length}`);
      }
      return results;
    },
    read: (requests, limits) => log.read(requests, limits),
    bounds: (lane, partition) => log.bounds(lane, partition),
    trim: async (lane, partition, before) => {
      await log.trim(lane, partition, before);
      const { first } = await log.bounds(lane, partition);
      operations.record({ kind: 'trimmed', partition, lane, first });
    },
    keepProducer: () => log.keepProducer(),
    fenceProducer: (producerId, partitions) => log.fenceProducer(producerId, partitions),
  };
}

/** The store that outlives every process, with the checker told of every commit. */
export function checkedStore(store: MemoryTwinStore, { history, operations, model, trace, nowMs }: Watch): TwinStore {
  return {
    takeOwnership: async (partition, ownerId) => {
      const ownership = await store.takeOwnership(partition, ownerId);
      history.ownershipTaken(partition, ownership.epoch);
      operations.record({ kind: 'owned', partition, epoch: ownership.epoch });
      trace.add(nowMs(), `own ${partition} ${ownership.epoch} attempt ${ownership.attempts}`);
      return ownership;
    },
    commit: async (commits) => {
      const results = await store.commit(commits);
      for (const [index, commit] of commits.entries()) {
        const result = results[index];
        if (result === undefined) continue;
        history.committed(commit, result);
        if (result.kind === 'committed') operations.record(operationOf(commit, model));
        const { partition, next } = commit;
        const outcome = result.kind === 'refused' ? result.code : `${next.control}/${next.telemetry}`;
        trace.add(nowMs(), `commit ${partition} ${commit.epoch} ${outcome} twins ${commit.twins.length}`);
      }
      return results;
    },
    noteAttempt: async (partition, epoch, attempt) => {
      const count = await store.noteAttempt(partition, epoch, attempt);
      trace.add(nowMs(), `attempt ${count} at ${attempt.lane}:${attempt.offset} of ${partition} in ${epoch}`);
      return count;
    },
    load: (partition, keys) => store.load(partition, keys),
    outbox: (partition, limit) => store.outbox(partition, limit),
    confirmOutbox: (partition, ids) => store.confirmOutbox(partition, ids),
    dueTimers: (partition, nowMsOfOwner, limit) => store.dueTimers(partition, nowMsOfOwner, limit),
    ledger: (partition) => store.ledger(partition),
    tenantLedger: (partition) => store.tenantLedger(partition),
    read: (partition, key) => store.read(partition, key),
  };
}

function operationOf(commit: ShardCommit, model: TwinModel): StoreOperation {
  const { partition, epoch, expected, next, counts, twins } = commit;
  return {
    kind: 'committed',
    partition,
    epoch,
    from: expected,
    to: next,
    outcomes: { control: sum(counts.control), telemetry: sum(counts.telemetry) },
    twins: twins.map(({ key, expectedRevision, state }) => {
      if (state === null) return { key, revision: null, versions: null };
      if (state === undefined) return { key, revision: expectedRevision + 1, versions: null };
      const { incarnation, version, reportedVersion, changeNumber } = model.parseTwin(state);
      return { key, revision: expectedRevision + 1, versions: { incarnation, version, reportedVersion, changeNumber } };
    }),
  };
}

function sum(counts: OutcomeCounts): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
