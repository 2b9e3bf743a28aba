import type { EventLog, PartitionLeases, TwinStore } from '@breakwater/twin-runtime';

import type { Network } from './network.ts';
import type { SimulatedProcess } from './simulated-process.ts';

const REPEATABLE = { repeatable: true };

/** The event log as one process reaches it. */
export function remoteLog(log: EventLog, network: Network, process: SimulatedProcess): EventLog {
  return {
    logId: () => network.call(process, () => log.logId()),
    append: (requests) => network.call(process, () => log.append(requests), REPEATABLE),
    read: (requests, limits) => network.call(process, () => log.read(requests, limits)),
    bounds: (lane, partition) => network.call(process, () => log.bounds(lane, partition)),
    trim: (lane, partition, before) => network.call(process, () => log.trim(lane, partition, before)),
    keepProducer: (producerId, partitions) => network.call(process, () => log.keepProducer(producerId, partitions)),
    fenceProducer: (producerId, partitions) => network.call(process, () => log.fenceProducer(producerId, partitions)),
  };
}

/** The twin store as one process reaches it. A commit that arrives twice must be refused the second time. */
export function remoteStore(store: TwinStore, network: Network, process: SimulatedProcess): TwinStore {
  return {
    takeOwnership: (partition, ownerId) => network.call(process, () => store.takeOwnership(partition, ownerId)),
    noteAttempt: (partition, epoch, attempt) =>
      network.call(process, () => store.noteAttempt(partition, epoch, attempt)),
    load: (partition, keys) => network.call(process, () => store.load(partition, keys)),
    commit: (commits) => network.call(process, () => store.commit(commits), REPEATABLE),
    outbox: (partition, limit) => network.call(process, () => store.outbox(partition, limit)),
    confirmOutbox: (partition, ids) => network.call(process, () => store.confirmOutbox(partition, ids), REPEATABLE),
    dueTimers: (partition, nowMs, limit) => network.call(process, () => store.dueTimers(partition, nowMs, limit)),
    ledger: (partition) => network.call(process, () => store.ledger(partition)),
    tenantLedger: (partition) => network.call(process, () => store.tenantLedger(partition)),
    read: (partition, key) => network.call(process, () => store.read(partition, key)),
  };
}

/** The lease keeper as one process reaches it. */
export function remoteLeases(leases: PartitionLeases, network: Network, process: SimulatedProcess): PartitionLeases {
  return {
    heartbeat: (memberId, ttlMs) => network.call(process, () => leases.heartbeat(memberId, ttlMs)),
    acquire: (partitions, memberId, ttlMs) => network.call(process, () => leases.acquire(partitions, memberId, ttlMs)),
    release: (partition, memberId) => network.call(process, () => leases.release(partition, memberId)),
    held: (partitions) => network.call(process, () => leases.held(partitions)),
    leave: (memberId) => network.call(process, () => leases.leave(memberId)),
  };
}
