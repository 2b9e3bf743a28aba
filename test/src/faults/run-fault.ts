import { LatencyHistogram, type LoadResult, PlatformClient, runLoad } from '@breakwater/bench';

import { CONDITION_TIMEOUT_MS, pause, until } from '../platform-steps.ts';
import type { FaultCase, FaultResult } from './fault-case.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';
import { PartitionWatch, SilenceWatch } from './run-watch.ts';
import { checkStored } from './stored-checks.ts';
import { TwinEditor } from './twin-editor.ts';

export interface FaultRunOptions {
  /** Takeover times are judged, too: for a machine that does nothing else. */
  readonly judgesTimes: boolean;
  readonly eventsPerSecond: number;
}

const DEVICES = 200;
const EDITED_TWINS = 4;
/** Of the embedded platform, as it starts. */
const PARTITIONS = 16;
const STRIKE_AFTER_MS = 4_000;
const VIOLATIONS_SHOWN_MAX = 5;

/** What the load and its watchers saw of a fault. */
interface Struck {
  readonly load: LoadResult;
  readonly takeoverMs: number;
  readonly silentMs: number;
  readonly note: string | undefined;
}

/**
 * Brings one fault on a platform under load and judges what is left: nothing that was acknowledged is lost, nothing is
 * there twice, in raw rows, rollups and twins; the ledger adds up; nothing that anybody saw goes back; no process is
 * over its cap; and all of it without a hand.
 */
export async function runFault(
  fault: FaultCase,
  platform: PlatformUnderFault,
  options: FaultRunOptions,
): Promise<FaultResult> {
  const startedAtMs = Date.now();
  const { history } = platform;
  const before = {
    restarts: await platform.restarts(),
    endedByThemselves: (await platform.endedByThemselves()).length,
    violations: history.violationCount,
    operations: history.operations,
  };
  const prefix = `${fault.name}-${startedAtMs.toString(36)}`;
  const client = (): PlatformClient => new PlatformClient(platform.installation);
  const editors = await startEditors(platform, client, `${prefix}-edited`);
  const memory = new MemoryWatch(platform);
  let struck: Struck;
  try {
    struck = await strikeUnderLoad(fault, platform, { prefix, eventsPerSecond: options.eventsPerSecond });
  } finally {
    await Promise.all(editors.map((editor) => editor.stop()));
  }
  const { load, takeoverMs, silentMs, note } = struck;
  const ended = (await platform.endedByThemselves()).slice(before.endedByThemselves);
  const problems = [...unanswered(load), ...(options.judgesTimes ? late(fault, struck) : [])];
  const stored = await checkStored(platform, client(), load.acknowledged);
  for (const editor of editors) problems.push(...(await editor.finish()));
  await platform.readHistory();
  const violations = history.violationCount - before.violations;
  if (violations > 0) problems.push(...history.violations.slice(-violations).slice(0, VIOLATIONS_SHOWN_MAX));
  const peaks = memory.stop();
  problems.push(...peaks.problems, ...stored.problems);
  const { eventsAcknowledged: acknowledged, lost, duplicated: twice } = stored.rows;
  return {
    name: fault.name,
    verdict: problems.length + lost + twice === 0 ? 'passed' : 'failed',
    ...{ acknowledged, lost, twice, takeoverMs, silentMs },
    twinsWrong: stored.twinsWrong,
    memory: peaks.summary,
    operations: history.operations - before.operations,
    seconds: Math.round((Date.now() - startedAtMs) / 1000),
    notes: [
      ...(note === undefined ? [] : [note]),
      ...countNote((await platform.restarts()) - before.restarts, 'restarts'),
      ...ended,
      ...countNote(load.progress.reconnects, 'reconnects'),
    ],
    problems,
  };
}

async function startEditors(
  platform: PlatformUnderFault,
  client: () => PlatformClient,
  prefix: string,
): Promise<readonly TwinEditor[]> {
  const logins = await client().registerDevices(prefix, EDITED_TWINS);
  const installation = () => platform.installation;
  return logins.map(({ id }) => new TwinEditor({ installation, client, device: id }));
}

/** From the first event to the last acknowledgement, with the fault in between, until all parts are well again. */
async function strikeUnderLoad(
  fault: FaultCase,
  platform: PlatformUnderFault,
  { prefix, eventsPerSecond }: { readonly prefix: string; readonly eventsPerSecond: number },
): Promise<Struck> {
  const { installation } = platform;
  const parts = [...(await installation.parts()).keys()];
  const logins = await new PlatformClient(installation).registerDevices(prefix, DEVICES);
  const silence = new SilenceWatch();
  let acknowledged = 0;
  const connected = Promise.withResolvers<undefined>();
  const running = runLoad(
    {
      logins,
      host: '127.0.0.1',
      port: installation.mqttPort,
      phases: [{ eventsPerSecond, seconds: fault.loadSeconds }],
      settleTimeoutMs: CONDITION_TIMEOUT_MS,
    },
    {
      started: () => undefined,
      connected: () => connected.resolve(undefined),
      progress: (progress) => {
        ({ acknowledged } = progress);
        silence.note(acknowledged);
      },
    },
  );
  // A load that fails is told by what waits for its end; until then it may fail unseen.
  running.catch(() => undefined);
  await Promise.race([connected.promise, running]);
  const partitions = new PartitionWatch(platform, PARTITIONS);
  try {
    await pause(STRIKE_AFTER_MS);
    const note = await fault.strike(platform, {
      devices: logins.map(({ id }) => id),
      acknowledged: () => acknowledged,
    });
    const load = await running;
    await platform.isWell(parts);
    await until('the gateway to have let go of every connection', async () => {
      return (await platform.metric('gateway', 'mqtt_connections')) === 0;
    });
    return { load, note, silentMs: silence.longestMs, takeoverMs: await partitions.stop() };
  } finally {
    await partitions.stop();
  }
}

function late(fault: FaultCase, { load, takeoverMs }: Struck): readonly string[] {
  const { takeoverMaxMs = Number.POSITIVE_INFINITY, pubackP99MaxMs = Number.POSITIVE_INFINITY } = fault;
  const pubackP99Ms = Math.round(new LatencyHistogram(load.progress.latency).quantile(0.99));
  return [
    ...(takeoverMs > takeoverMaxMs ? [`twins waited ${takeoverMs} ms for their next owner`] : []),
    ...(pubackP99Ms > pubackP99MaxMs ? [`one event of a hundred was acknowledged after ${pubackP99Ms} ms`] : []),
  ];
}

function unanswered({ progress, unacknowledged }: LoadResult): readonly string[] {
  const problems: string[] = [];
  if (unacknowledged > 0) problems.push(`${unacknowledged} events were never acknowledged`);
  if (progress.skipped > 0) problems.push(`${progress.skipped} events were not sent: too many waited`);
  if (progress.sent !== progress.acknowledged + unacknowledged) {
    problems.push(`${progress.sent} events were sent, and ${progress.acknowledged} acknowledged`);
  }
  return problems;
}

function countNote(count: number, what: string): readonly string[] {
  return count > 0 ? [`${what}: ${count}`] : [];
}
