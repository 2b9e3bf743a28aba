import type { Partition } from '@breakwater/twin';

import { CliFailure, EXIT } from '../cli-failure.ts';
import type { RebuildStores } from '../installation/connect-stores.ts';
import { rebuildPartition } from '../rebuild/rebuild-partition.ts';
import { bad, dim, good, type Terminal } from '../terminal.ts';

export interface RebuildOptions {
  /** Only this partition, also when the store has it. */
  readonly replace?: Partition;
}

interface RebuildRun {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/**
 * Brings back each partition of which the twin store has nothing. No worker can own one of those. One that is to be
 * replaced may have an owner, which must be gone first.
 *
 * Answers the exit code.
 */
export async function rebuildCommand(
  stores: RebuildStores,
  { replace }: RebuildOptions,
  { terminal, signal }: RebuildRun,
): Promise<number> {
  const { partitionCount, log } = stores;
  if (replace !== undefined) await refuseUnderWorker(stores, replace);
  const logId = await log.logId();
  const startedMs = performance.now();
  const sums = { there: 0, rebuilt: 0, inLog: 0, impossible: 0, twins: 0, left: 0 };
  for (let at = replace ?? 0; at < (replace === undefined ? partitionCount : replace + 1); at += 1) {
    if (signal.aborted) {
      terminal.line(bad(`Stopped before partition ${at}. Say it again: what is done stays done.`));
      return EXIT.failed;
    }
    const name = `partition ${at} (${at + 1} of ${partitionCount})`;
    try {
      const result = await rebuildPartition({ ...stores, logId, replace: replace !== undefined }, at as Partition);
      sums[result.kind] += 1;
      if (result.kind !== 'there') sums.left += result.left;
      if (result.kind === 'rebuilt') {
        sums.twins += result.twins;
        const records = `${result.replayed} records replayed, ${result.left} left for the workers`;
        terminal.line(`${name}: ${good(`${result.twins} twins`)} ${dim(`(${records})`)}`);
      } else
        terminal.line(`${name}: ${result.kind === 'there' ? 'is there' : 'is in the log from its first record on'}`);
    } catch (error) {
      if (!(error instanceof CliFailure) || error.code === 'REBUILD_RUNNING') throw error;
      sums.impossible += 1;
      terminal.line(bad(`${name}: ${error.code}: ${error.message}`));
    }
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  terminal.line(
    sums.rebuilt === 0 && sums.impossible === 0
      ? 'The twin store has every partition that it can have: there was nothing to rebuild.'
      : `${sums.twins} twins of ${sums.rebuilt} partitions in ${seconds} s; ` +
          `${sums.left} records are left for the workers.`,
  );
  return sums.impossible === 0 ? 0 : EXIT.differs;
}

async function refuseUnderWorker({ holders, partitionCount }: RebuildStores, partition: Partition): Promise<void> {
  if (partition >= partitionCount) throw new CliFailure('SETTING_INVALID', `there are ${partitionCount} partitions`);
  const [isHeld] = await holders.held([partition]);
  if (isHeld !== true) return;
  throw new CliFailure('INSTALLATION_RUNNING', `a twin-worker has partition ${partition}: stop all of them first`);
}
