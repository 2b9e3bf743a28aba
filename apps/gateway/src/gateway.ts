import { performance } from 'node:perf_hooks';

import { createMqttEndpoint, type MqttEndpoint } from '@breakwater/mqtt-endpoint';
import { type Logger, MemoryWatch, type Metrics, type QueueWatch, type Readiness } from '@breakwater/observability';
import { laneBudgetsOf } from '@breakwater/log-engine';
import { LaneFill } from '@breakwater/twin-runtime';

import { AppendBatcher } from './append/append-batcher.ts';
import { Bridge } from './bridge/bridge.ts';
import { ChildRegistrar } from './children/child-registrar.ts';
import { GatewayIntake } from './children/gateway-intake.ts';
import { CommandReports } from './commands/command-reports.ts';
import { DownlinkDelivery } from './downlink-delivery.ts';
import { drainDevices } from './drain-devices.ts';
import { endpointObserver } from './endpoint-observer.ts';
import { GatewayHost } from './gateway-host.ts';
import { watchGatewayQueues } from './gateway-queues.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import type { GatewayPorts } from './gateway-ports.ts';
import type { GatewaySettings } from './read-gateway-settings.ts';
import { MessageIntake } from './message-intake.ts';
import { OVERLOAD_MEASURES, OverloadGuard } from './protection/overload-guard.ts';
import { Protection } from './protection/protection.ts';
import { RefusalTally } from './protection/refusal-tally.ts';
import { TenantShares } from './protection/tenant-shares.ts';
import { DeadLetterQuota } from './session/dead-letter-quota.ts';
import { DeviceAuthenticator } from './identity/device-authenticator.ts';
import type { DeviceSession } from './session/device-session.ts';
import { GatewayIdentity } from './session/gateway-identity.ts';
import { PreviousSessionReader } from './session/previous-session-reader.ts';
import { ResendMemories } from './session/resend-memories.ts';
import { CredentialRechecks } from './identity/credential-rechecks.ts';
import { TrustMirror } from './identity/trust-mirror.ts';
import { engineLimits, sessionOptions } from './session/stored/session-options.ts';
import { StoredSessions } from './session/stored/stored-sessions.ts';
import { SessionTakeover } from './session/session-takeover.ts';
import { SessionLifecycle } from './session-lifecycle.ts';
import { GatewayListeners } from './transport/gateway-listeners.ts';

const SWEEP_MS = 500;
const MS_PER_SECOND = 1_000;
const BYTES_PER_MEGABYTE = 1024 * 1024;
const DEAD_LETTER_DEVICES_MAX = 50_000;
const FENCED_PAIRS_MAX = 10_000;
const TAIL_FRAMES_PER_READ = 64;

export interface GatewayOptions {
  readonly settings: GatewaySettings;
  readonly ports: GatewayPorts;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** The gateway: its parts put together, started and stopped in order. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #metrics: GatewayMetrics;
  readonly #refusals: RefusalTally;
  readonly #protection: Protection;
  readonly #batcher: AppendBatcher;
  readonly #memory: MemoryWatch;
  readonly #overload: OverloadGuard;
  readonly #lanes: LaneFill;
  readonly #queues: QueueWatch<'gateway'>;
  readonly #identity: GatewayIdentity;
  readonly #stored: StoredSessions;
  readonly #memories: ResendMemories;
  readonly #sessions: SessionLifecycle;
  readonly #trust: TrustMirror;
  readonly #rechecks: CredentialRechecks;
  readonly #downlinks: DownlinkDelivery;
  readonly #children: GatewayIntake;
  readonly #endpoint: MqttEndpoint<DeviceSession>;
  readonly #listeners: GatewayListeners;
  /** Null for a gateway that devices connect to. */
  readonly #bridge: Bridge | null;
  #sweeper: NodeJS.Timeout | null = null;
  #isStopping = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { settings, ports } = options;
    this.#metrics = new GatewayMetrics(options.metrics);
    this.#refusals = this.#createRefusals();
    this.#protection = new Protection({ ...options, ...ports });
    this.#batcher = this.#createBatcher();
    this.#memory = this.#createMemoryWatch();
    this.#overload = this.#createOverloadGuard();
    this.#lanes = new LaneFill({ ...ports, ...settings });
    this.#identity = this.#createIdentity();
    this.#trust = this.#createTrust();
    const authenticator = this.#createAuthenticator();
    const gatewayId = (): string | null => this.#identity.id;
    const batcher = this.#batcher;
    this.#stored = this.#createStoredSessions();
    this.#memories = this.#createMemories();
    const sessions = this.#createSessions(authenticator);
    this.#sessions = sessions;
    this.#rechecks = this.#createRechecks(sessions, authenticator);
    this.#downlinks = new DownlinkDelivery({
      ...ports,
      channel: ports.downlinks,
      sessions,
      reports: new CommandReports({
        clock: ports.clock,
        record: (device, message) => sessions.record(device, message),
      }),
      authenticator,
      metrics: this.#metrics,
      waitMs: settings.downlinkWaitMs,
      answerMs: settings.downlinkAnswerMs,
      onTrouble: (detail) => options.logger.warn(detail),
    });
    const intake = this.#createIntake();
    const tenantShares = this.#createTenantShares();
    this.#bridge = this.#createBridge(intake, tenantShares);
    const registrar = new ChildRegistrar({ ...ports, ...settings, batcher });
    this.#children = new GatewayIntake({ ...ports, ...settings, intake, registrar, sessions });
    const host = new GatewayHost({
      ...settings,
      clock: ports.clock,
      authenticator,
      protection: this.#protection,
      tenantShares,
      overload: this.#overload,
      intake,
      children: this.#children,
      sessions,
      gatewayId,
    });
    this.#endpoint = createMqttEndpoint({
      host,
      limits: engineLimits(settings),
      sessions: sessionOptions(settings, { store: this.#stored, clock: ports.clock }),
      now: () => performance.now(),
      observer: endpointObserver({ metrics: this.#metrics, refusals: this.#refusals, logger: options.logger }),
    });
    this.#listeners = this.#createListeners();
    this.#queues = this.#createQueues();
  }

  readiness(): Readiness {
    const takes = this.#bridge?.isReady ?? this.#listeners.areOpen;
    const ready = this.#identity.id !== null && takes && !this.#isStopping;
    const notReady = this.#isStopping ? 'the gateway stops' : this.#notReadyYet();
    const detail = ready ? this.#identity.trouble : notReady;
    const degraded = detail === null ? [] : [{ part: 'event log', detail }];
    return { ready, degraded, filling: this.#queues.filling() };
  }

  /** Settles when devices can connect. */
  async start(): Promise<Readonly<Record<string, number>>> {
    await this.#identity.start();
    this.#refusals.start();
    await this.#protection.start();
    await this.#trust.start();
    this.#rechecks.start();
    // What nobody here can compare with a limit is not asked for, once a second and for each partition.
    if (laneBudgetsOf(this.#options.settings).telemetry !== null) this.#lanes.start();
    this.#queues.start();
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    if (this.#bridge !== null) {
      this.#bridge.start();
      return {};
    }
    try {
      return await this.#listeners.open();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Takes no more, answers what it took, tells the devices, and says of each session that it ended. */
  async stop(): Promise<void> {
    const { drainMs, drainNoticeMs } = this.#options.settings;
    this.#isStopping = true;
    if (this.#sweeper !== null && drainNoticeMs > 0) await this.#options.ports.clock.sleep(drainNoticeMs);
    this.#protection.stopCounting();
    this.#rechecks.stop();
    this.#trust.stop();
    this.#queues.stop();
    const lanesStopped = this.#lanes.stop();
    const listenersClosed = this.#listeners.close();
    await this.#bridge?.stop();
    await drainDevices(this.#endpoint, this.#options.settings);
    await this.#within(drainMs, Promise.all([this.#sessions.settled(), this.#batcher.idle()]));
    this.#downlinks.listenAs(null);
    await this.#within(
      drainMs,
      Promise.all([this.#identity.stop(), this.#downlinks.stopped(), listenersClosed, lanesStopped]),
    );
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
    await this.#within(drainMs, Promise.all([this.#protection.stop(), this.#refusals.stop()]));
  }

  /** Takes a new certificate from its files without waiting for the next look at them. */
  reloadCertificate(): Promise<void> {
    return this.#listeners.reloadCertificate();
  }

  #notReadyYet(): string {
    if (this.#identity.id === null) return 'the gateway has no identity in it yet, or no more';
    return this.#bridge === null ? 'the gateway does not listen yet' : 'the bridge is not subscribed at its broker';
  }

  #createRefusals(): RefusalTally {
    const { ports, logger } = this.#options;
    return new RefusalTally({
      counts: ports.refusals,
      clock: ports.clock,
      flusherId: ports.random.id(),
      onTrouble: (error) => logger.warn({ err: error }, 'what was refused is not counted yet; it is tried again'),
    });
  }

  #createTrust(): TrustMirror {
    const { settings, ports, logger } = this.#options;
    return new TrustMirror({
      store: ports.trust,
      clock: ports.clock,
      pollMs: settings.trustPollMs,
      onChange: (tenants) => this.#rechecks.trustChanged(tenants),
      onTrouble: (detail) => logger.warn(detail),
    });
  }

  #createRechecks(sessions: SessionLifecycle, authenticator: DeviceAuthenticator): CredentialRechecks {
    const { settings, ports, logger } = this.#options;
    return new CredentialRechecks({
      sessions,
      authenticator,
      trust: this.#trust,
      clock: ports.clock,
      perSecond: settings.tokenRechecksPerSecond,
      onTrouble: (detail) => logger.warn(detail),
    });
  }

  #createTenantShares(): TenantShares {
    const { settings } = this.#options;
    return new TenantShares({
      rate: {
        messagesPerSecondMax: settings.tenantPublishesPerSecondMax,
        bytesPerSecondMax: settings.tenantPublishBytesPerSecondMax,
      },
      // Every tenant with a connection is among them, but for one that nobody connected while all others did.
      tenantsMax: settings.connectionsMax,
      nowMs: () => performance.now(),
    });
  }

  #createAuthenticator(): DeviceAuthenticator {
    const { settings, ports } = this.#options;
    return new DeviceAuthenticator({
      ...ports,
      ...settings,
      trust: this.#trust,
      cacheEntriesMax: settings.tokenCacheEntriesMax,
      cacheMs: settings.tokenCacheMs,
    });
  }

  #createMemoryWatch(): MemoryWatch {
    const { settings, metrics } = this.#options;
    return new MemoryWatch({ metrics, maxBytes: settings.memoryMegabytesMax * BYTES_PER_MEGABYTE });
  }

  #createQueues(): QueueWatch<'gateway'> {
    return watchGatewayQueues({
      ...this.#options,
      batcher: this.#batcher,
      lanes: this.#lanes,
      memory: this.#memory,
      connections: () => this.#endpoint.connectionCount,
      children: () => this.#children.count,
      detachedSessions: () => this.#stored.detachedCount,
      bans: () => this.#protection.banCount,
    });
  }

  #createOverloadGuard(): OverloadGuard {
    const { settings } = this.#options;
    return new OverloadGuard({
      queue: this.#batcher,
      memory: this.#memory,
      limits: settings,
      setPressure: (isHigh) => this.#endpoint.setPressure(isHigh),
    });
  }

  #createListeners(): GatewayListeners {
    const { settings, ports, logger } = this.#options;
    return new GatewayListeners({
      settings,
      accept: this.#endpoint.accept.bind(this.#endpoint),
      logger,
      nowMs: () => ports.clock.nowMs(),
      onRefused: (listener, reason, context) => {
        this.#metrics.transportRefusals.inc({ listener, reason });
        logger.debug({ listener, reason, ...context }, 'a connection was refused before MQTT');
      },
      onReload: (result) => this.#metrics.certificateReloads.inc({ result }),
    });
  }

  #createBatcher(): AppendBatcher {
    const { settings, ports, logger } = this.#options;
    return new AppendBatcher({
      ...ports,
      partitionCount: settings.partitionCount,
      // A frame's lines are joined by newlines, which count too.
      limits: {
        ...settings,
        frameBytesMax: settings.frameBytesMax - settings.frameRecordsMax,
        pressureBytes: settings.stopReadingBytes,
      },
      onProducerLost: (detail) => this.#identity.replace(detail),
      mayAppend: () => this.#identity.mayAppend(),
      onBehind: (isBehind) => this.#endpoint.setGathering(isBehind),
      onPressure: () => this.#overload.queueChanged(),
      onFlight: (durationMs) => this.#metrics.appendSeconds.observe(durationMs / 1000),
      onRetry: (reason) => {
        this.#metrics.appendRetries.inc();
        logger.debug({ reason }, 'an append is repeated');
      },
    });
  }

  #createIdentity(): GatewayIdentity {
    const { settings, ports, logger } = this.#options;
    return new GatewayIdentity({
      ...ports,
      ...settings,
      onTaken: (gatewayId) => {
        logger.info({ gatewayId }, 'the gateway has an identity');
        this.#batcher.restart(gatewayId);
        this.#downlinks.listenAs(gatewayId);
      },
      onLost: (gatewayId, detail) => {
        logger.error({ gatewayId, detail, sessions: this.#sessions.count }, 'the gateway lost its identity');
        this.#batcher.giveUpProducer(detail);
        this.#sessions.closeAll('overloaded');
        this.#downlinks.listenAs(null);
      },
      onTrouble: (detail) => logger.warn(detail),
    });
  }

  #createIntake(): MessageIntake {
    const { settings, ports } = this.#options;
    return new MessageIntake({
      batcher: this.#batcher,
      previousSessions: new PreviousSessionReader({
        log: ports.tailLog,
        tailRecordsMax: settings.resendTailRecordsMax,
        framesPerRead: TAIL_FRAMES_PER_READ,
      }),
      deadLetterQuota: new DeadLetterQuota({
        bytesPerHourMax: settings.deadLetterBytesPerHourMax,
        devicesMax: DEAD_LETTER_DEVICES_MAX,
      }),
      clock: ports.clock,
      refusals: this.#refusals,
      metrics: this.#metrics,
      onForeignTopic: (session, topic) => this.#protection.foreignTopic('foreignTopicPublished', session, topic),
      recordBytesMax: settings.frameBytesMax - settings.frameRecordsMax,
    });
  }

  #createSessions(authenticator: DeviceAuthenticator): SessionLifecycle {
    const { settings, ports } = this.#options;
    const takeover = new SessionTakeover({
      ...ports,
      ...settings,
      fencedPairsMax: FENCED_PAIRS_MAX,
      onEnd: (end) => this.#metrics.takeovers.inc({ end }),
    });
    return new SessionLifecycle({
      ...ports,
      stored: this.#stored,
      takeover,
      batcher: this.#batcher,
      authenticator,
      memories: this.#memories,
      partitionCount: settings.partitionCount,
      recordBytesMax: settings.frameBytesMax - settings.frameRecordsMax,
      gatewayId: () => this.#identity.id,
    });
  }

  #createBridge(intake: MessageIntake, tenantShares: TenantShares): Bridge | null {
    const { settings, ports, metrics, logger } = this.#options;
    if (settings.gatewayRole === 'gateway') return null;
    const { registry, clock } = ports;
    return new Bridge({ settings, devices: { tenantShares, registry }, intake, clock, metrics, logger });
  }

  #createStoredSessions(): StoredSessions {
    const { settings, ports, logger } = this.#options;
    return new StoredSessions({
      ...ports,
      partitionCount: settings.partitionCount,
      detachedMax: settings.detachedSessionsMax,
      gatewayId: () => this.#identity.id,
      onUnreadable: (key, detail) => {
        this.#metrics.sessionsUnreadable.inc();
        logger.warn({ key, detail }, 'a kept session cannot be read: its device gets a new one');
      },
      onTrouble: (detail) => logger.warn(detail),
    });
  }

  #createMemories(): ResendMemories {
    const { settings } = this.#options;
    return new ResendMemories({
      entriesMax: settings.resendEntriesMax,
      restingDevicesMax: settings.resendDevicesMax,
      restingBytesMax: settings.resendBytesMax,
    });
  }

  #sweep(): void {
    this.#endpoint.sweep();
    this.#sessions.leaveAbandoned();
    void this.#stored.extendDue();
    this.#metrics.sessionsDetached.set(this.#stored.detachedCount);
    this.#metrics.restingDevices.set(this.#memories.restingDevices);
    this.#metrics.restingBytes.set(this.#memories.restingBytes);
    this.#metrics.connections.set(this.#sessions.count - this.#children.count);
    this.#metrics.children.set(this.#children.count);
    this.#metrics.certificateExpiry.set((this.#listeners.certificateNotAfterMs ?? 0) / MS_PER_SECOND);
    this.#metrics.bans.set(this.#protection.banCount);
    this.#metrics.queueRecords.set(this.#batcher.records);
    this.#metrics.queueBytes.set(this.#batcher.bytes);
    this.#overload.sweep();
    for (const measure of OVERLOAD_MEASURES) {
      this.#metrics.measures.set({ measure }, this.#overload.isTaken(measure) ? 1 : 0);
    }
  }

  /** What is not done by then is left as it is: nothing of it was acknowledged. */
  async #within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    try {
      await Promise.race([work, timedOut]);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a step of the stop failed');
    }
    clearTimeout(timer);
  }
}
