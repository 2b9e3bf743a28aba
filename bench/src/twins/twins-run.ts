import { readFileSync } from 'node:fs';

import type { RedisServerForTest } from '@breakwater/adapter-redis/testing';
import type { Redis } from 'ioredis';

import { TelemetryLog } from './telemetry-log.ts';
import { WorkerProcess } from './worker-process.ts';

const APPENDED_AT_ONCE = 512;
const FLUSH_MS = 4;
const POLL_MS = 50;
/** Records that a worker has applied before it is measured: its code is compiled by then. */
const WARM_UP_SHARE = 0.2;
const TICKS_PER_SECOND = 100;
const MICROS_PER_SECOND = 1e6;
const MS_PER_SECOND = 1_000;
const DRAIN_MS_MAX = 300_000;

export interface TwinsRunOptions {
  readonly redis: Redis;
  readonly server: RedisServerForTest;
  readonly partitions: number;
  readonly devices: number;
  readonly records: number;
  readonly workers: number;
  /** 0: everything is in the log before the workers start. */
  readonly rate: number;
}

export interface Subject {
  readonly folder: string;
  readonly nodeArguments: readonly string[];
}

/** Of one record. */
export interface TwinsCost {
  readonly workerMicros: number;
  readonly redisMicros: number;
  readonly perSecond: number;
  readonly recordsPerCommit: number;
  readonly twinsBytesPerRecord: number;
  readonly workerMebibytes: number;
  readonly commands: string;
}

interface Sample {
  readonly applied: number;
  readonly workerTicks: number;
  readonly redisTicks: number;
  readonly atMs: number;
  readonly commits: number;
  readonly fileBytes: number;
}

/** One log, and workers that apply it again and again. */
export class TwinsRun {
  readonly #options: TwinsRunOptions;
  #log: TelemetryLog;

  constructor(options: TwinsRunOptions) {
    this.#options = options;
    this.#log = new TelemetryLog(options);
  }

  async prepare(): Promise<void> {
    if (this.#options.rate > 0) return;
    for (let sent = 0; sent < this.#options.records; sent += APPENDED_AT_ONCE) {
      await this.#log.append(Math.min(APPENDED_AT_ONCE, this.#options.records - sent));
    }
  }

  async measure(subject: Subject): Promise<TwinsCost> {
    const { redis, server, partitions, records, rate, workers: count } = this.#options;
    await this.#forget();
    const { folder, nodeArguments } = subject;
    const env = { REDIS_URL: server.url, PARTITIONS: String(partitions) };
    const workers = Array.from({ length: count }, () => new WorkerProcess({ folder, nodeArguments, env }));
    try {
      let appending = Promise.resolve();
      if (rate > 0) {
        await this.#owned();
        appending = this.#appendPaced();
      }
      const sample = () => this.#sample(workers);
      let first = await sample();
      const endMs = Date.now() + DRAIN_MS_MAX;
      while (first.applied < records * WARM_UP_SHARE) first = await this.#next(sample, workers, endMs);
      await redis.config('RESETSTAT');
      first = await sample();
      let last = first;
      while (last.applied < records) last = await this.#next(sample, workers, endMs);
      const workerMebibytes = workers.reduce((sum, { pid }) => sum + residentMebibytes(pid), 0);
      await appending;
      return { ...costOf(first, last), workerMebibytes, commands: await this.#commands() };
    } finally {
      await Promise.all(workers.map((worker) => worker.stop()));
    }
  }

  async #next(sample: () => Promise<Sample>, workers: readonly WorkerProcess[], endMs: number): Promise<Sample> {
    await pause(POLL_MS);
    for (const worker of workers) worker.assertRuns();
    if (Date.now() > endMs) throw new Error('the workers do not get through the log');
    return sample();
  }

  async #sample(workers: readonly WorkerProcess[]): Promise<Sample> {
    const { redis, server, partitions } = this.#options;
    const pipeline = redis.pipeline().info('persistence').info('commandstats');
    for (let at = 0; at < partitions; at++) pipeline.hmget(`bw:{${at}}:shard`, 'telemetry');
    const [persistence, stats, ...positions] = (await pipeline.exec())!.map(([, value]) => value);
    const applied = (positions as [string | null][]).reduce((sum, [text]) => sum + Number(text ?? 0), 0);
    const evalsha = /cmdstat_evalsha:calls=(\d+)/.exec(stats as string);
    const file = /aof_current_size:(\d+)/.exec(persistence as string);
    return {
      applied: applied - this.#base,
      workerTicks: workers.reduce((sum, { pid }) => sum + cpuTicks(pid), 0),
      redisTicks: cpuTicks(server.pid),
      atMs: performance.now(),
      commits: Number(evalsha?.[1] ?? 0),
      fileBytes: Number(file?.[1] ?? 0),
    };
  }

  #base = 0;

  /** Everything but the log. */
  async #forget(): Promise<void> {
    const { redis, rate } = this.#options;
    if (rate > 0) {
      await redis.flushall();
      this.#log = new TelemetryLog(this.#options);
      return;
    }
    const stream = redis.scanStream({ match: 'bw:*', count: 10_000 });
    for await (const keys of stream) {
      const gone = (keys as string[]).filter((key) => !key.includes(':log:'));
      if (gone.length > 0) await redis.unlink(...gone);
    }
    await redis.config('RESETSTAT');
  }

  /** Waits until every shard has an owner. */
  async #owned(): Promise<void> {
    const { redis, partitions } = this.#options;
    for (;;) {
      const pipeline = redis.pipeline();
      for (let at = 0; at < partitions; at++) pipeline.hget(`bw:{${at}}:shard`, 'epoch');
      const epochs = (await pipeline.exec())!.map(([, value]) => value);
      if (!epochs.includes(null)) return;
      await pause(POLL_MS);
    }
  }

  async #appendPaced(): Promise<void> {
    const { records, rate } = this.#options;
    const startMs = performance.now();
    for (let sent = 0; sent < records;) {
      const due = Math.min(records, Math.floor(((performance.now() - startMs) * rate) / MS_PER_SECOND));
      if (due > sent) await this.#log.append(due - sent);
      sent = due;
      await pause(FLUSH_MS);
    }
  }

  async #commands(): Promise<string> {
    const stats = await this.#options.redis.info('commandstats');
    const usec = (name: string): string => {
      const match = new RegExp(`cmdstat_${name}:calls=(\\d+),usec=(\\d+)`).exec(stats);
      return match === null ? '' : `${name} ${match[1]} calls ${Math.round(Number(match[2]) / 1000)} ms`;
    };
    return ['evalsha', 'xread', 'hset', 'hget', 'hmget'].map(usec).filter(Boolean).join(', ');
  }
}

function costOf(first: Sample, last: Sample): Omit<TwinsCost, 'workerMebibytes' | 'commands'> {
  const records = last.applied - first.applied;
  const micros = (ticks: number): number => (ticks * MICROS_PER_SECOND) / TICKS_PER_SECOND / records;
  return {
    workerMicros: micros(last.workerTicks - first.workerTicks),
    redisMicros: micros(last.redisTicks - first.redisTicks),
    perSecond: (records * MS_PER_SECOND) / (last.atMs - first.atMs),
    recordsPerCommit: records / Math.max(1, last.commits - first.commits),
    twinsBytesPerRecord: (last.fileBytes - first.fileBytes) / records,
  };
}

function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command may hold spaces; the fields are counted from the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentMebibytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
