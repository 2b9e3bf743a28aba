import { MemoryEventLog, MemorySessionDirectory } from '@breakwater/adapter-memory';
import { describe, expect, it } from '@jest/globals';
import type { LogId } from '@breakwater/twin';
import type { EventLog } from '@breakwater/twin-runtime';
import { SeededRandom, VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import { GatewayIdentity } from './gateway-identity.ts';

const HOUR_MS = 3_600_000;
/** Long, so that a test of days has few renewals. */
const LEASE_TTL_MS = 600_000;
const PARTITIONS = 3;

/** What the log is told of producers that live, with failures as scripted. */
class KeptLog {
  readonly kept: { readonly producerId: string; readonly partitions: number; readonly atMs: number }[] = [];
  outcome: () => Promise<void> = () => Promise.resolve();
  readonly #clock: VirtualClock;
  readonly #memory: MemoryEventLog;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    this.#memory = new MemoryEventLog({ clock, logId: 'log' as LogId });
  }

  keepProducer: EventLog['keepProducer'] = (producerId, partitions) => {
    this.kept.push({ producerId, partitions: partitions.length, atMs: this.#clock.nowMs() });
    return this.outcome();
  };

  fenceProducer: EventLog['fenceProducer'] = (...given) => this.#memory.fenceProducer(...given);
}

interface Running {
  readonly clock: VirtualClock;
  readonly log: KeptLog;
  readonly directory: MemorySessionDirectory;
  readonly identity: GatewayIdentity;
  readonly troubles: string[];
  readonly lost: string[];
  /** The process stands still, as it seems to it: nothing runs meanwhile, its timers neither. */
  standStill(forMs: number): void;
}

async function started(): Promise<Running> {
  const clock = new VirtualClock(1_000);
  const log = new KeptLog(clock);
  const directory = new MemorySessionDirectory(clock);
  const troubles: string[] = [];
  const lost: string[] = [];
  let stoodStillMs = 0;
  const identity = new GatewayIdentity({
    directory,
    log: log as unknown as EventLog,
    clock,
    random: new SeededRandom(1),
    partitionCount: PARTITIONS,
    leaseTtlMs: LEASE_TTL_MS,
    onTaken: () => undefined,
    onLost: (id) => lost.push(id),
    onTrouble: (detail) => troubles.push(detail),
    uptimeMs: () => clock.nowMs() + stoodStillMs,
  });
  await identity.start();
  const standStill = (forMs: number): void => {
    stoodStillMs += forMs;
  };
  return { clock, log, directory, identity, troubles, lost, standStill };
}

describe('GatewayIdentity of an idle gateway', () => {
  it('tells the log several times a day that the producer lives, in every partition', async () => {
    const { clock, log, identity } = await started();
    await clock.advance(HOUR_MS);
    expect(log.kept).toEqual([]);
    await clock.advance(23 * HOUR_MS);
    expect(log.kept.length).toBeGreaterThanOrEqual(3);
    expect(log.kept.length).toBeLessThanOrEqual(24);
    for (const { producerId, partitions } of log.kept) {
      expect([producerId, partitions]).toEqual([identity.id, PARTITIONS]);
    }
    await identity.stop();
  });

  it('says so when the log was not reached, keeps its identity and tries again at the next renewal', async () => {
    const { clock, log, identity, troubles } = await started();
    const id = identity.id;
    log.outcome = () => Promise.reject(new Error('the connection broke'));
    const untilMs = clock.nowMs() + 24 * HOUR_MS;
    while (log.kept.length < 2 && clock.nowMs() < untilMs) await clock.advance(LEASE_TTL_MS / 3);
    log.outcome = () => Promise.resolve();
    await clock.advance(HOUR_MS);
    const [first, second] = log.kept.map(({ atMs }) => atMs);
    expect((second ?? 0) - (first ?? 0)).toBeLessThanOrEqual(LEASE_TTL_MS / 3);
    expect(log.kept.length).toBe(3);
    expect(troubles.length).toBe(2);
    expect(troubles[0]).toContain('the connection broke');
    expect([identity.id, identity.trouble]).toEqual([id, null]);
    await identity.stop();
  });

  it('renews its lease while the log does not answer, and asks it once', async () => {
    const { clock, log, directory, identity } = await started();
    const id = identity.id ?? '';
    log.outcome = () => new Promise(() => undefined);
    await clock.advance(24 * HOUR_MS);
    expect(log.kept.length).toBe(1);
    expect(identity.id).toBe(id);
    expect(await directory.liveGateways([id])).toEqual(new Set([id]));
    await identity.stop();
  });

  it('keeps no producer whose lease was lost', async () => {
    const { clock, log, directory, identity } = await started();
    const former = identity.id ?? '';
    await clock.advance(5 * HOUR_MS);
    directory.renewGateway = () => Promise.resolve(false);
    await clock.advance(24 * HOUR_MS);
    expect(identity.id).not.toBe(former);
    expect(log.kept).toEqual([]);
    await identity.stop();
  });
});

describe('GatewayIdentity of a gateway that stood still', () => {
  it('appends nothing until a renewal that began afterwards says that the lease is held', async () => {
    const { clock, directory, identity, troubles, standStill } = await started();
    const renew = directory.renewGateway.bind(directory);
    const early = Promise.withResolvers<boolean>();
    directory.renewGateway = () => early.promise;
    await clock.advance(LEASE_TTL_MS / 3);
    expect(identity.mayAppend()).toBe(true);
    standStill(LEASE_TTL_MS);
    expect(identity.mayAppend()).toBe(false);
    expect(troubles).toHaveLength(1);
    // The answer to what was asked before the standstill says nothing about it.
    const late = Promise.withResolvers<boolean>();
    directory.renewGateway = () => late.promise;
    early.resolve(true);
    await clock.advance(1_000);
    expect(identity.mayAppend()).toBe(false);
    directory.renewGateway = renew;
    late.resolve(true);
    await clock.advance(1_000);
    expect(identity.mayAppend()).toBe(true);
    await identity.stop();
  });

  it('goes on under another name when the lease was lost meanwhile', async () => {
    const { clock, directory, identity, lost, standStill } = await started();
    const former = identity.id;
    const renew = directory.renewGateway.bind(directory);
    directory.renewGateway = () => Promise.resolve(false);
    standStill(2 * LEASE_TTL_MS);
    expect(identity.mayAppend()).toBe(false);
    await clock.advance(LEASE_TTL_MS);
    directory.renewGateway = renew;
    await clock.advance(LEASE_TTL_MS);
    expect(lost).toContain(former);
    expect([identity.id === former, identity.mayAppend()]).toEqual([false, true]);
    await identity.stop();
  });

  it('asks at once, and not at the time of the next renewal', async () => {
    const { clock, identity, standStill } = await started();
    await clock.advance(LEASE_TTL_MS / 6);
    standStill(LEASE_TTL_MS);
    expect(identity.mayAppend()).toBe(false);
    await clock.advance(100);
    expect(identity.mayAppend()).toBe(true);
    await identity.stop();
  });

  it('does not mind what is shorter than the time between renewals', async () => {
    const { clock, identity, troubles, standStill } = await started();
    for (let time = 0; time < 10; time += 1) {
      await clock.advance(LEASE_TTL_MS / 6);
      standStill(LEASE_TTL_MS / 4);
      expect(identity.mayAppend()).toBe(true);
    }
    expect(troubles).toEqual([]);
    await identity.stop();
  });
});
