import { ProcessSampler } from '../process-sampler.ts';
import { PrometheusHistogram } from '../prometheus-histogram.ts';
import { RowsFeed } from './rows-feed.ts';
import { PARTITIONS, RowsInstallation } from './rows-installation.ts';

export interface RowsRun {
  readonly load: string;
  /** Null: a backlog of `records`, drained as fast as it goes. */
  readonly perSecond: number | null;
  readonly records: number;
  readonly seconds: number;
  readonly devices: number;
  /** Where the writer leaves its CPU profile; empty for none. */
  readonly profileDir: string;
}

export interface RowsMeasurement {
  readonly load: string;
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: Readonly<Record<string, number>>;
  readonly peakMegabytes: Readonly<Record<string, number>>;
  readonly deviceToRowMs: { readonly p50: number; readonly p99: number };
  /** Bytes on the disk of each table, after merges, per raw row. */
  readonly bytesPerRow: Readonly<Record<string, number>>;
  readonly parts: string;
  readonly rounds: number;
  /** Negative when there are too many. */
  readonly rowsMissing: number;
}

const MILLION = 1_000_000;
const MB = 1024 * 1024;
const WARM_UP_RECORDS = 30_000;
const VALUES_PER_RECORD = 5;
const REDIS_BYTES_MAX = 8 * 1024 ** 3;
const STORED_TIMEOUT_MS = 180_000;
/** Each poll makes the writer print all its metrics: more often, and that is what is measured. */
const POLL_MS = 500;
/** Merges have settled when there was none for so many polls. */
const QUIET_POLLS = 4;
const QUIET_POLL_MS = 500;
const QUIET_POLLS_MAX = 120;
const ROW_HISTOGRAM = 'breakwater_device_to_row_seconds';

/** One run on empty stores. CPU counts from the first record until merges have settled. */
export async function measureRows(root: string, run: RowsRun): Promise<RowsMeasurement> {
  const installation = await RowsInstallation.start(root, {
    redisMemoryBytesMax: REDIS_BYTES_MAX,
    writerArguments: run.profileDir === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${run.profileDir}`],
  });
  let sampler: ProcessSampler | null = null;
  try {
    const feed = new RowsFeed(installation.redis, { devices: run.devices, partitions: PARTITIONS });
    await feed.backlog(WARM_UP_RECORDS);
    await untilStored(installation, WARM_UP_RECORDS);
    await untilMerged(installation);
    const before = await installation.metrics();
    if (run.perSecond === null) {
      installation.signalWriter('SIGSTOP');
      await feed.backlog(run.records);
    }
    sampler = new ProcessSampler(() => installation.pids);
    const startMs = performance.now();
    let records = run.records;
    if (run.perSecond === null) installation.signalWriter('SIGCONT');
    else records = await feed.openLoop(run.perSecond, run.seconds);
    await untilStored(installation, WARM_UP_RECORDS + records);
    const seconds = (performance.now() - startMs) / 1_000;
    const after = await installation.metrics();
    await untilMerged(installation);
    const usage = sampler.stop();
    return {
      load: run.load,
      recordsPerSecond: records / seconds,
      cpuSecondsPerMillion: Object.fromEntries(
        usage.map(({ name, cpuSeconds }) => [name, (cpuSeconds * MILLION) / records]),
      ),
      peakMegabytes: Object.fromEntries(usage.map(({ name, peakBytes }) => [name, peakBytes / MB])),
      deviceToRowMs: latencies(before, after),
      rounds: inserts(after) - inserts(before),
      ...(await stored(installation, WARM_UP_RECORDS + records)),
    };
  } finally {
    sampler?.stop();
    await installation.stop();
  }
}

async function untilStored(installation: RowsInstallation, records: number): Promise<void> {
  const endMs = performance.now() + STORED_TIMEOUT_MS;
  while ((await installation.recordsStored()) < records) {
    if (performance.now() > endMs) throw new Error(`not stored within ${STORED_TIMEOUT_MS} ms`);
    await pause(POLL_MS);
  }
}

async function untilMerged(installation: RowsInstallation): Promise<void> {
  for (let polls = 0, quiet = 0; polls < QUIET_POLLS_MAX && quiet < QUIET_POLLS; polls += 1) {
    const [row] = await installation.rows<{ readonly n: string }>('SELECT count() AS n FROM system.merges');
    quiet = Number(row?.n ?? 0) === 0 ? quiet + 1 : 0;
    await pause(QUIET_POLL_MS);
  }
}

async function stored(
  installation: RowsInstallation,
  records: number,
): Promise<Pick<RowsMeasurement, 'bytesPerRow' | 'parts' | 'rowsMissing'>> {
  const tables = await installation.rows<{ name: string; bytes: string; rows: string; parts: string }>(
    `SELECT table AS name, sum(bytes_on_disk) AS bytes, sum(rows) AS rows, count() AS parts FROM system.parts
     WHERE active AND database = 'breakwater' AND table LIKE 'telemetry%' GROUP BY table ORDER BY table`,
  );
  const rows = Number(tables.find(({ name }) => name === 'telemetry')?.rows ?? 0);
  return {
    bytesPerRow: Object.fromEntries(tables.map(({ name, bytes }) => [name, Number(bytes) / rows])),
    parts: tables.map(({ parts }) => parts).join('/'),
    rowsMissing: records * VALUES_PER_RECORD - rows,
  };
}

function latencies(before: string, after: string): RowsMeasurement['deviceToRowMs'] {
  const histogram = new PrometheusHistogram();
  histogram.add(after, ROW_HISTOGRAM);
  histogram.add(before, ROW_HISTOGRAM, -1);
  return { p50: histogram.quantile(0.5) * 1_000, p99: histogram.quantile(0.99) * 1_000 };
}

function inserts(page: string): number {
  return Number(/^breakwater_writer_inserts_total\S* (\S+)$/m.exec(page)?.[1] ?? 0);
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
