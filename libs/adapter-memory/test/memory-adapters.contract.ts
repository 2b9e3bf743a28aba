import type { LogId } from '@breakwater/twin';
import { type Clock, systemClock } from '@breakwater/twin-runtime';
import {
  banListContract,
  changeFeedContract,
  commandHintsContract,
  commandIndexContract,
  commandSignalsContract,
  type ContractHarness,
  deviceRegistryContract,
  downlinkChannelContract,
  eventLogContract,
  operationAnswersContract,
  leasedGroup,
  partitionLeasesContract,
  partitionMembershipContract,
  refusalCountsContract,
  sessionArchiveContract,
  sessionDirectoryContract,
  telemetryHintsContract,
  tenantTrustContract,
  twinStoreContract,
} from '@breakwater/twin-runtime/testing';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import {
  MemoryBanList,
  MemoryChangeFeed,
  MemoryCommandHints,
  MemoryCommandIndex,
  MemoryCommandSignals,
  MemoryDeviceRegistry,
  MemoryDownlinkChannel,
  MemoryEventLog,
  MemoryOperationAnswers,
  MemoryPartitionLeases,
  MemoryRefusalCounts,
  MemorySessionDirectory,
  MemoryTelemetryHints,
  MemoryTenantTrustStore,
  MemoryTwinStore,
} from '../src/index.ts';

const plain = <Port>(port: Port): ContractHarness<Port> => ({ port, cleanup: async () => {} });

function underVirtualTime<Port>(makePort: (clock: Clock) => Port): ContractHarness<Port> {
  const clock = new VirtualClock(1_000_000);
  return { ...plain(makePort(clock)), pass: (durationMs) => clock.advance(durationMs) };
}

refusalCountsContract('memory', { make: async ({ linesMax }) => plain(new MemoryRefusalCounts(linesMax)) });
banListContract('memory', { make: async (options) => underVirtualTime((clock) => new MemoryBanList(clock, options)) });
eventLogContract('memory', {
  make: async (options) => plain(new MemoryEventLog({ clock: systemClock, logId: 'memory-log' as LogId, ...options })),
});
twinStoreContract('memory', { make: async (options) => plain(new MemoryTwinStore(options)) });
partitionLeasesContract('memory', { make: async () => underVirtualTime((clock) => new MemoryPartitionLeases(clock)) });
partitionMembershipContract('leases in memory', async () => {
  const clock = new VirtualClock(1_000_000);
  const leases = new MemoryPartitionLeases(clock);
  const pass = (): Promise<void> => clock.advance(100);
  return leasedGroup({ leases, clock, leaseTtlMs: 2_000, pass, cleanup: async () => {} });
});
sessionDirectoryContract('memory', {
  make: async () => underVirtualTime((clock) => new MemorySessionDirectory(clock)),
});
sessionArchiveContract('memory', {
  make: async (options) => underVirtualTime((clock) => new MemorySessionDirectory(clock, options)),
});
downlinkChannelContract('memory', { make: async (options) => plain(new MemoryDownlinkChannel(systemClock, options)) });
changeFeedContract('memory', { make: async (options) => plain(new MemoryChangeFeed(systemClock, options)) });
tenantTrustContract('memory', { make: async () => plain(new MemoryTenantTrustStore()) });
deviceRegistryContract('memory', { make: async () => plain(new MemoryDeviceRegistry()) });
commandSignalsContract('memory', { make: async (options) => plain(new MemoryCommandSignals(options)) });
commandIndexContract('memory', { make: async () => underVirtualTime((clock) => new MemoryCommandIndex(clock)) });
commandHintsContract('memory', { make: async () => plain(new MemoryCommandHints()) });
operationAnswersContract('memory', { make: async () => plain(new MemoryOperationAnswers()) });
telemetryHintsContract('memory', { make: async () => plain(new MemoryTelemetryHints()) });
