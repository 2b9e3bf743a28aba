import { describe, expect, it } from '@jest/globals';

import { laneBudgets, type LaneBudgetOptions } from './lane-budgets.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function budgets(change: Partial<LaneBudgetOptions> = {}): { control: number; telemetry: number; reserve: number } {
  const env = laneBudgets({
    env: {},
    budgets: { controlLaneBytesMax: 4 * MIB, telemetryLaneBytesMax: 20 * MIB, telemetryReserveBytes: 2 * MIB },
    frameBytesMax: 512 * KIB,
    redisMemoryMegabytes: 512,
    partitions: 16,
    ...change,
  });
  return {
    control: Number(env['LOG_CONTROL_BYTES_PER_PARTITION']),
    telemetry: Number(env['LOG_TELEMETRY_BYTES_PER_PARTITION']),
    reserve: Number(env['LOG_TELEMETRY_RESERVE_BYTES_PER_PARTITION']),
  };
}

describe('the budgets of the lanes under npm start', () => {
  it.each([
    [512, 16],
    [512, 64],
    [512, 128],
    [2_048, 128],
    [128, 4],
  ])('leave room for twins in %i MB with %i partitions', (redisMemoryMegabytes, partitions) => {
    const { control, telemetry, reserve } = budgets({ redisMemoryMegabytes, partitions });
    const share = ((control + telemetry) * partitions) / (redisMemoryMegabytes * MIB);
    expect(share).toBeGreaterThan(0.59);
    expect(share).toBeLessThanOrEqual(0.6);
    expect(telemetry).toBeGreaterThan(control);
    expect(reserve).toBeGreaterThan(0);
    expect(reserve).toBeLessThanOrEqual(telemetry / 8);
  });

  it('are those that were set', () => {
    expect(budgets({ env: { LOG_TELEMETRY_BYTES_PER_PARTITION: '20971520' } })).toEqual({
      control: 3_276 * KIB,
      telemetry: 20 * MIB,
      reserve: 2 * MIB,
    });
  });

  it('are refused when the log could take what the twins need', () => {
    const env = { LOG_CONTROL_BYTES_PER_PARTITION: '4194304', LOG_TELEMETRY_BYTES_PER_PARTITION: '20971520' };
    expect(() => budgets({ env, partitions: 64 })).toThrow(/1664 MB .*80 % of REDIS_MEMORY_MB=512/);
  });

  it('are refused when a lane could hold too few frames', () => {
    expect(() => budgets({ partitions: 1_024 })).toThrow(/REDIS_MEMORY_MB=512 is too little for PARTITIONS=1024/);
  });
});
