import { RedisEventLog } from '@breakwater/adapter-redis';
import { type DeviceId, deviceKey, type Incarnation, type SessionEpoch, type TenantId } from '@breakwater/twin';
import { encodeRecord, partitionOf, type RecordMessage } from '@breakwater/wire';

import { until } from '../platform-steps.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';

const PARTITIONS = 16;
const LANE_BYTES_MAX = 1024 * 1024 * 1024;
const FRAME_BYTES_MAX = 1024 * 1024;
const TENANT = 'default' as TenantId;

/** What no gateway and no API writes, as a producer with a bug would: nobody has a handler for it. */
const UNHEARD_OF = { kind: 'noSuchMessage' } as unknown as RecordMessage;
/** A line that breaks whoever reads it. */
const UNREADABLE = '{"v":1,"k":"telemetry","p":7}';

/**
 * Puts records into the log that cannot be applied, into every partition, in the midst of others.
 * Answers when each has become a dead letter that is stored.
 */
export async function poisonLog(platform: PlatformUnderFault): Promise<string> {
  const before = await platform.metric('twin-worker', 'dead_letters_total');
  const count = await platform.withRedis(async (redis) => {
    const laneBytesMax = { control: LANE_BYTES_MAX, telemetry: LANE_BYTES_MAX };
    const log = new RedisEventLog({ redis, laneBytesMax, frameBytesMax: FRAME_BYTES_MAX });
    const lines = linesByPartition();
    const results = await log.append(
      [...lines].map(([partition, each]) => ({
        lane: 'control' as const,
        partition,
        producerId: `poisoner-${Date.now().toString(36)}`,
        seq: 1,
        body: each.join('\n'),
        recordCount: each.length,
      })),
    );
    const refused = results.find(({ kind }) => kind !== 'appended');
    if (refused !== undefined) throw new Error(`the poison was not taken: ${JSON.stringify(refused)}`);
    return [...lines.values()].reduce((sum, each) => sum + each.length, 0);
  });
  const startedAtMs = Date.now();
  await until('every poisonous record to be a dead letter', async () => {
    const dead = (await platform.metric('twin-worker', 'dead_letters_total')) - before;
    if (dead < count) throw new Error(`${dead} of ${count} are`);
    return true;
  });
  return `${count} poisonous records were dead letters after ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`;
}

function linesByPartition(): ReadonlyMap<ReturnType<typeof partitionOf>, string[]> {
  const lines = new Map<ReturnType<typeof partitionOf>, string[]>();
  for (let number = 0; lines.size < PARTITIONS; number++) {
    const device = `poisoned-${number}` as DeviceId;
    const partition = partitionOf(deviceKey(TENANT, device), PARTITIONS);
    if (lines.has(partition)) continue;
    lines.set(partition, [lineOf(device, UNHEARD_OF), UNREADABLE, lineOf(device, UNHEARD_OF)]);
  }
  return lines;
}

function lineOf(device: DeviceId, message: RecordMessage): string {
  return encodeRecord({
    tenant: TENANT,
    device,
    incarnation: 1 as Incarnation,
    sessionEpoch: 0 as SessionEpoch,
    packetId: 0,
    digest: 0,
    messageId: '',
    receivedAtMs: Date.now(),
    traceparent: '',
    message,
  });
}
