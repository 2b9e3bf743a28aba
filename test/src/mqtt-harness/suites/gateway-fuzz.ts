import { fuzzGateway } from '../../mqtt-fuzz/gateway-under-fuzz.ts';
import type { SuiteOutcome } from './suite-programs.ts';

const SEED = 6;
const PACKETS = 100_000;
const MIB = 1024 * 1024;

/** Attacks over sockets on the built platform, with what they cost the device beside them. */
export async function runGatewayFuzz(): Promise<SuiteOutcome> {
  const report = await fuzzGateway({ seed: SEED, packets: PACKETS });
  const ratio = report.fuzzP99Ms / report.quietP99Ms;
  const p99 = `PUBACK p99 ${report.quietP99Ms.toFixed(1)} ms quiet, ${report.fuzzP99Ms.toFixed(1)} ms under attack`;
  const notes = [
    `${report.packets} packets in ${report.connections} connections at ${report.packetsPerSecond.toFixed(0)} packets/s`,
    `${p99}: ${ratio.toFixed(2)} times`,
    `memory of the gateway: ${(report.memoryGrowthBytes / MIB).toFixed(1)} MiB more`,
  ];
  return { passed: report.complaints.length === 0 ? 1 : 0, failed: report.complaints, notes };
}
