import { MemoryTwinStore } from '@breakwater/adapter-memory';
import type { DeviceKey, Partition } from '@breakwater/twin';
import type { CommitResult, Ownership, ShardCommit, StoredTwin } from '@breakwater/twin-runtime';

const AWAY = 'the node that has this partition does not answer';

/** A store of several nodes, of which some do not answer; a commit may have been done before its node fell silent. */
export class HalfAwayStore extends MemoryTwinStore {
  readonly away = new Set<Partition>();
  /** The next commits of partitions that are away are done all the same. */
  commitsBeforeSilence = 0;

  override async takeOwnership(partition: Partition, ownerId: string): Promise<Ownership> {
    if (this.away.has(partition)) throw new Error(AWAY);
    return super.takeOwnership(partition, ownerId);
  }

  override async load(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly StoredTwin[]> {
    if (this.away.has(partition)) throw new Error(AWAY);
    return super.load(partition, keys);
  }

  override async commit(commits: readonly ShardCommit[]): Promise<readonly CommitResult[]> {
    const results: CommitResult[] = [];
    for (const commit of commits) {
      const isAway = this.away.has(commit.partition);
      const isDone = !isAway || this.commitsBeforeSilence > 0;
      if (isAway && isDone) this.commitsBeforeSilence -= 1;
      const [result] = isDone ? await super.commit([commit]) : [];
      results.push(isAway ? { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error: new Error(AWAY) } : result!);
    }
    return results;
  }
}
