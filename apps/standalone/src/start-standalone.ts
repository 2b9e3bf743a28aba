import { join, resolve } from 'node:path';

import {
  bridgeSettings,
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  readSettings,
  type SettingsOf,
  standaloneSettings,
  temporalSettings,
} from '@breakwater/config';
import { freePort } from '@breakwater/free-port';

import { banner, type BannerOptions } from './welcome/banner.ts';
import type { ConsoleReport } from './supervise/console-report.ts';
import { adminKeyOf, checkInstallation, freeMegabytesOf, prepareDataFolder } from './data-folder.ts';
import { EmbeddedTemporal, type EmbeddedTemporalOptions } from './parts/embedded-temporal.ts';
import { firstDevice } from './welcome/first-device.ts';
import { laneBudgets } from './parts/lane-budgets.ts';
import { logServer } from './parts/log-server.ts';
import type { Part } from './supervise/part.ts';
import { type PlatformOptions, platformParts, START, STOP, temporalWorkerPart } from './parts/platform-parts.ts';
import { checkPorts, type WantedPort } from './port-check.ts';
import { processIdentity } from './supervise/process-identity.ts';
import { findRedisServer, redisProcessAt, redisSocketPath } from './parts/redis-server.ts';
import { endLeftovers, endProcess, RunFile } from './supervise/run-file.ts';
import { Supervisor } from './supervise/supervisor.ts';
import { waitUntilReady } from './wait-until-ready.ts';

const settingGroup = {
  ...platformSettings,
  ...standaloneSettings,
  ...eventLogSettings,
  ...kafkaSettings,
  ...temporalSettings,
  ...bridgeSettings,
};
type Settings = SettingsOf<typeof settingGroup>;

/** The running platform, as main.ts holds it. */
export interface Standalone {
  /** Resolves when everything serves and the banner is printed; refuses with StartRefused. */
  readonly started: Promise<void>;
  stop(): Promise<void>;
  kill(): void;
}

/** Checks the machine, starts every part and prints how to use it. */
export function startStandalone(env: NodeJS.ProcessEnv, report: ConsoleReport): Standalone {
  let supervisor: Supervisor | undefined;
  let runFile: RunFile | undefined;
  let temporal: EmbeddedTemporal | undefined;
  let obtaining: { stop(): void } | undefined;
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    temporal?.stop();
    obtaining?.stop();
    await supervisor?.stop();
    runFile?.release();
  };
  const start = async (): Promise<void> => {
    const startedAt = performance.now();
    const settings = readSettings(settingGroup, env);
    const budgets = budgetsOf(settings, env);
    const dataFolder = resolve(settings.dataDir);
    // Not the setting's default: that is a Redis which somebody would have had to start.
    const redisUrl = env['REDIS_URL'] ?? '';
    const redisServerPath = redisUrl === '' ? findRedisServer(settings.redisServerPath, env['PATH'] ?? '') : '';
    prepareDataFolder(dataFolder, settings.diskFreeMegabytesMin);
    runFile = await claimFolder(dataFolder, settings, report);
    checkInstallation(dataFolder, settings.partitionCount);
    await checkPorts(publicPorts(settings));
    const adminKey = adminKeyOf(dataFolder, settings.adminApiKey);
    const log = await logServer({
      ...{ settings, dataFolder, report, startLevel: START.store, stopLevel: STOP.kafka },
      onWork: (work) => (obtaining = work),
    });
    if (stopping) return;
    const temporalPort = await freePort();
    const platform: PlatformOptions = {
      ...(await platformOptions(settings, { dataFolder, temporalPort })),
      redisUrl,
      redisServerPath,
      adminKey,
      laneBudgets: budgets,
      log,
    };
    const parts = platformParts(platform);
    if (stopping) return;
    supervisor = newSupervisor({ parts, dataFolder, settings, runFile, report });
    report.line('Breakwater starts:');
    await supervisor.start();
    if (stopping) return;
    const server = await temporalServer(settings, dataFolder, temporalPort);
    temporal = new EmbeddedTemporal({
      mode: settings.embeddedTemporal,
      server,
      worker: temporalWorkerPart(platform),
      supervisor,
      report,
    });
    temporal.start();
    await waitUntilReady(settings.httpPort, report);
    const device = await firstDevice({ dataFolder, httpPort: settings.httpPort, adminKey });
    const tookMs = performance.now() - startedAt;
    const places = { ...placesOf(settings), log: log.bannerLine, temporal: await temporal.bannerLine() };
    if (stopping) return;
    report.line(banner({ ...places, adminKey, dataFolder, device, tookMs }));
    void temporal.obtainIfMissing();
  };
  return { started: start(), stop, kill: () => supervisor?.kill() };
}

type Chosen = 'redisUrl' | 'redisServerPath' | 'adminKey' | 'laneBudgets' | 'log';

/** What follows from the settings and the data folder alone. */
async function platformOptions(
  settings: Settings,
  { dataFolder, temporalPort }: { readonly dataFolder: string; readonly temporalPort: number },
): Promise<Omit<PlatformOptions, Chosen>> {
  return {
    dataFolder,
    redisSocketPath: redisSocketPath(dataFolder),
    redisMemoryMegabytes: settings.redisMemoryMegabytes,
    clickhousePort: await freePort(),
    temporalAddress: settings.embeddedTemporal === 'off' ? '' : `127.0.0.1:${temporalPort}`,
    temporalNamespace: settings.temporalNamespace,
    temporalNiceness: settings.temporalNiceness,
    twinWorkers: settings.twinWorkers,
    bridgePassword: settings.bridgeUrl === '' ? null : settings.bridgePassword,
    partitions: settings.partitionCount,
  };
}

function placesOf(settings: Settings): Pick<BannerOptions, 'httpPort' | 'mqttPort' | 'mqttWebSocketPort' | 'tls'> {
  const { httpPort, mqttPort, mqttWebSocketPort, tlsCertFile } = settings;
  return { httpPort, mqttPort, mqttWebSocketPort, tls: tlsCertFile === '' ? null : settings };
}

function budgetsOf(settings: Settings, env: NodeJS.ProcessEnv): Record<string, string> {
  const { frameBytesMax, redisMemoryMegabytes, partitionCount: partitions } = settings;
  return laneBudgets({ env, budgets: settings, frameBytesMax, redisMemoryMegabytes, partitions });
}

function newSupervisor(options: {
  readonly parts: readonly Part[];
  readonly dataFolder: string;
  readonly settings: Settings;
  readonly runFile: RunFile;
  readonly report: ConsoleReport;
}): Supervisor {
  const { parts, dataFolder, settings, runFile, report } = options;
  return new Supervisor({
    parts,
    runFile,
    report,
    logFolder: join(dataFolder, 'logs'),
    readyTimeoutMs: settings.readyTimeoutMs,
    stopGraceMs: settings.stopGraceMs,
    explainCrash: () => {
      const freeMegabytes = freeMegabytesOf(dataFolder);
      return freeMegabytes < settings.diskFreeMegabytesMin ? `the disk is full (${freeMegabytes} MB free)` : undefined;
    },
  });
}

async function temporalServer(
  settings: Settings,
  dataFolder: string,
  frontendPort: number,
): Promise<EmbeddedTemporalOptions['server']> {
  const { temporalNamespace: namespace, temporalUiPort: uiPort, temporalNiceness: niceness } = settings;
  const metricsPort = await freePort();
  return { dataFolder, namespace, frontendPort, uiPort, metricsPort, stopLevel: STOP.temporal, niceness };
}

async function claimFolder(dataFolder: string, settings: Settings, report: ConsoleReport): Promise<RunFile> {
  const { runFile, leftovers } = RunFile.claim(join(dataFolder, 'run.json'));
  await endLeftovers(leftovers, {
    graceMs: settings.stopGraceMs,
    onEnd: (part) => report.notice(part.name, `process ${part.pid} is left from a run that was killed, and is ended`),
  });
  const redis = await redisProcessAt(redisSocketPath(dataFolder));
  const identity = redis === undefined ? undefined : processIdentity(redis);
  if (redis !== undefined && identity !== undefined) await endProcess(redis, identity, settings.stopGraceMs);
  return runFile;
}

function publicPorts(settings: Settings): WantedPort[] {
  const { bindHost: host, httpPort, mqttPort, mqttWebSocketPort, embeddedTemporal, temporalUiPort } = settings;
  return [
    { setting: 'HTTP_PORT', port: httpPort, host },
    { setting: 'MQTT_PORT', port: mqttPort, host },
    ...(mqttWebSocketPort === 0 ? [] : [{ setting: 'MQTT_WS_PORT', port: mqttWebSocketPort, host }]),
    ...(settings.tlsCertFile === '' ? [] : tlsPorts(settings)),
    ...(embeddedTemporal === 'off' ? [] : [{ setting: 'TEMPORAL_UI_PORT', port: temporalUiPort, host: '127.0.0.1' }]),
  ];
}

function tlsPorts({ bindHost: host, mqttTlsPort, mqttWebSocketTlsPort }: Settings): WantedPort[] {
  return [
    { setting: 'MQTT_TLS_PORT', port: mqttTlsPort, host },
    { setting: 'MQTT_WSS_PORT', port: mqttWebSocketTlsPort, host },
  ].filter(({ port }) => port !== 0);
}
