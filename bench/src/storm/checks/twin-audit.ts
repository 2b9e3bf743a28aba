import type { PlatformClient, TwinSummary } from '../../platform-client.ts';
import { FIRST_SEQ, valuesOfEvent } from '../load/event-values.ts';
import type { DeviceOutcome } from '../load/storm-generator.ts';

export interface TwinAudit {
  /** Twins that were looked at. */
  readonly twins: number;
  /** Those that do not hold the values of their device's last acknowledged event. */
  readonly wrongTwins: number;
  /** Those that show a device as disconnected that has a connection. */
  readonly falselyDisconnected: number;
  readonly examples: readonly string[];
}

const EXAMPLES_MAX = 20;

/** Reads every twin by the API. @param isConnected whether all these devices have a connection, and so must show it. */
export async function auditTwins(
  client: Pick<PlatformClient, 'twinPages'>,
  outcomes: readonly DeviceOutcome[],
  isConnected: boolean,
): Promise<TwinAudit> {
  const open = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  const twins = open.size;
  const examples: string[] = [];
  let wrongTwins = 0;
  let falselyDisconnected = 0;
  const note = (example: string): void => {
    if (examples.length < EXAMPLES_MAX) examples.push(example);
  };
  for await (const page of client.twinPages()) {
    for (const twin of page) {
      const outcome = open.get(twin.deviceId);
      if (outcome === undefined) continue;
      open.delete(twin.deviceId);
      const wrong = wrongOf(twin, outcome);
      if (wrong !== null) {
        wrongTwins += 1;
        note(wrong);
      }
      if (isConnected && !twin.connected) {
        falselyDisconnected += 1;
        note(`the twin of ${twin.deviceId} is shown as disconnected`);
      }
    }
  }
  for (const id of open.keys()) {
    wrongTwins += 1;
    note(`there is no twin of ${id}`);
  }
  return { twins, wrongTwins, falselyDisconnected, examples };
}

/** An event that was sent and not acknowledged may be in the twin, or not yet. */
function wrongOf({ deviceId, telemetry }: TwinSummary, { acknowledged, sent }: DeviceOutcome): string | null {
  const seq = telemetry['seq'];
  if (acknowledged === 0 && seq === undefined) return null;
  const last = FIRST_SEQ + acknowledged - 1;
  if (typeof seq !== 'number' || seq < last || seq >= FIRST_SEQ + sent) {
    return `the twin of ${deviceId} holds event ${String(seq)}, the last acknowledged one is ${last}`;
  }
  const differing = Object.entries(valuesOfEvent(seq)).filter(([name, value]) => Number(telemetry[name]) !== value);
  if (differing.length === 0) return null;
  return `the twin of ${deviceId} holds event ${seq} with other values: ${differing.map(([name]) => name).join(', ')}`;
}
