import type { Aftermath } from '../checks/broken-promises.ts';
import { heapAfterCollection, type HeapUse, INSPECTABLE } from '../platform/inspected-heap.ts';
import { type TwinMemory, twinMemory } from '../platform/redis-memory.ts';
import { StormPlatform } from '../platform/storm-platform.ts';
import { type Costs, costsOf } from './process-costs.ts';
import { type FleetLoad, type FleetOrder, rotate } from './rotating-fleet.ts';

export interface FleetSizes {
  readonly small: number;
  readonly large: number;
}

export interface FleetSpeed extends Costs {
  readonly devices: number;
  /** Events in their twins and among the rows, by the time that took. */
  readonly perSecond: number;
  readonly events: number;
}

export interface Devices {
  readonly order: FleetOrder;
  readonly small: FleetSpeed;
  readonly large: FleetSpeed;
  /** Events/s of the large fleet, of those of the small one. */
  readonly ratio: number;
  readonly after: Aftermath;
}

export interface Memory {
  readonly twins: number;
  /** Heap of both workers after a collection, more than with the small fleet, by twin. */
  readonly warmTwinBytes: number;
  /** The same by resident memory: what buffers and the collector keep is in it. */
  readonly warmTwinResidentBytes: number;
  /** Key, value and their overhead of one twin in Redis. */
  readonly coldTwinBytes: number;
  /** All that Redis holds more of by device, but for the log: twin, registry, token, session epoch, changes. */
  readonly redisBytesPerDevice: number;
}

const WORKERS = /^twin-worker/;

/**
 * One platform, first with a small fleet and then with a large one beside it. What the workers and Redis hold more of
 * then is the memory of the twins that came; the small fleet has warmed up everything that does not grow with them.
 */
export async function measureFleet(
  sizes: FleetSizes,
  order: FleetOrder,
): Promise<{ readonly devices: Devices; readonly memory: Memory }> {
  const platform = await StormPlatform.start(INSPECTABLE);
  try {
    const small = await rotate(platform, await platform.client.registerDevices('small', sizes.small), order);
    const before = await memoryNow(platform);
    const large = await rotate(platform, await platform.client.registerDevices('large', sizes.large), order);
    const now = await memoryNow(platform);
    const twins = now.redis.twins - before.redis.twins;
    const usage = [...small.usage, ...large.usage];
    const after = await platform.checkOutcomes([...small.outcomes, ...large.outcomes], {
      usage,
      connectionsLost: small.connectionsLost + large.connectionsLost,
      disordered: small.disordered + large.disordered,
      unacknowledged: small.unacknowledged + large.unacknowledged,
      areConnected: false,
    });
    const speeds = { small: speedOf(sizes.small, small), large: speedOf(sizes.large, large) };
    return {
      devices: { order, ...speeds, ratio: speeds.large.perSecond / speeds.small.perSecond, after },
      memory: {
        twins,
        warmTwinBytes: (now.workers.heapBytes - before.workers.heapBytes) / twins,
        warmTwinResidentBytes: (now.workers.residentBytes - before.workers.residentBytes) / twins,
        coldTwinBytes: now.redis.bytesPerTwin,
        redisBytesPerDevice: (heldOf(now) - heldOf(before)) / twins,
      },
    };
  } finally {
    await platform.stop();
  }
}

function speedOf(devices: number, load: FleetLoad): FleetSpeed {
  const { events, seconds, usage } = load;
  return { devices, perSecond: Math.round(events / seconds), events, ...costsOf(usage, events) };
}

function heldOf({ redis, logBytes }: { readonly redis: TwinMemory; readonly logBytes: number }): number {
  return redis.usedBytes - logBytes;
}

async function memoryNow(platform: StormPlatform) {
  const workers: HeapUse[] = [];
  for (const name of (await platform.installation.parts()).keys()) {
    if (WORKERS.test(name)) workers.push(await heapAfterCollection(platform.installation, name));
  }
  return {
    workers: {
      heapBytes: workers.reduce((sum, { heapBytes }) => sum + heapBytes, 0),
      residentBytes: workers.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    },
    redis: await twinMemory(platform.installation),
    logBytes: (await platform.client.ledger()).logBytes,
  };
}
