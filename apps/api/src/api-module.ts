import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { AuditLog, type Logger, type Metrics } from '@breakwater/observability';

import * as tokens from './api-ports.ts';
import type { ApiOptions, ApiPorts } from './api-ports.ts';
import { BanController } from './controllers/ban-controller.ts';
import { CommandController } from './controllers/command-controller.ts';
import { CommandEventsController } from './controllers/command-events-controller.ts';
import { DeviceController } from './controllers/device-controller.ts';
import { ErrorPageController } from './controllers/error-page-controller.ts';
import { HealthController } from './controllers/health-controller.ts';
import { LedgerController } from './controllers/ledger-controller.ts';
import { TelemetryController } from './controllers/telemetry-controller.ts';
import { TenantController } from './controllers/tenant-controller.ts';
import { TrustController } from './controllers/trust-controller.ts';
import { TwinController } from './controllers/twin-controller.ts';
import { TwinEventsController } from './controllers/twin-events-controller.ts';
import { CommandResolver } from './graphql/command-resolver.ts';
import { DeviceResolver } from './graphql/device-resolver.ts';
import { graphqlModule } from './graphql/graphql-module.ts';
import { JsonScalar } from './graphql/json-scalar.ts';
import { TwinResolver } from './graphql/twin-resolver.ts';
import type { WebSocketLimits } from './graphql/web-socket-limits.ts';
import type { Authenticator } from './http/authentication.ts';
import { ChangeHub } from './live/change-hub.ts';
import { CommandHub } from './live/command-hub.ts';
import { CommandStreams } from './live/command-streams.ts';
import { TelemetryHub } from './live/telemetry-hub.ts';
import { TwinStreams } from './live/twin-stream.ts';
import { ApiQueues } from './services/api-queues.ts';
import { AppendRates } from './services/append-rates.ts';
import { BanService } from './services/ban-service.ts';
import { CommandReader } from './services/command-reader.ts';
import { CommandService } from './services/command-service.ts';
import { CommandTeller } from './services/command-teller.ts';
import { ControlLag } from './services/control-lag.ts';
import { ControlWriter } from './services/control-writer.ts';
import { DeviceService } from './services/device-service.ts';
import { LedgerChecker } from './services/ledger-checker.ts';
import { LedgerService } from './services/ledger-service.ts';
import { OperationService } from './services/operation-service.ts';
import { OperationWaits } from './services/operation-waits.ts';
import { Readiness } from './services/readiness.ts';
import { SessionCloser } from './services/session-closer.ts';
import { TelemetryService } from './services/telemetry-service.ts';
import { TenantService } from './services/tenant-service.ts';
import { TrustService } from './services/trust-service.ts';
import { TwinReader } from './services/twin-reader.ts';
import { TwinWriter } from './services/twin-writer.ts';
import { WriteAdmission } from './services/write-admission.ts';

export interface ApiModuleOptions {
  readonly ports: ApiPorts;
  readonly options: ApiOptions;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

interface ModuleParts extends ApiModuleOptions {
  readonly authenticator: Authenticator;
  readonly webSockets: WebSocketLimits;
}

/** The services of the API over whatever ports it is given; REST and GraphQL stand on the same ones. */
@Module({})
export class ApiModule {
  static register(options: ModuleParts): DynamicModule {
    return {
      module: ApiModule,
      imports: [
        graphqlModule({
          authenticator: options.authenticator,
          webSockets: options.webSockets,
          logger: options.logger,
          depthMax: options.options.graphqlDepthMax,
          costMax: options.options.graphqlCostMax,
        }),
      ],
      controllers: [
        HealthController,
        TenantController,
        TrustController,
        DeviceController,
        TwinController,
        TwinEventsController,
        CommandController,
        CommandEventsController,
        TelemetryController,
        LedgerController,
        BanController,
        ErrorPageController,
      ],
      providers: [
        ...portProviders(options),
        ApiQueues,
        AppendRates,
        BanService,
        ChangeHub,
        CommandHub,
        CommandReader,
        CommandResolver,
        CommandService,
        CommandStreams,
        CommandTeller,
        ControlLag,
        ControlWriter,
        DeviceResolver,
        DeviceService,
        JsonScalar,
        LedgerChecker,
        LedgerService,
        OperationService,
        OperationWaits,
        Readiness,
        SessionCloser,
        TelemetryHub,
        TelemetryService,
        TenantService,
        TrustService,
        TwinReader,
        TwinResolver,
        TwinStreams,
        TwinWriter,
        WriteAdmission,
      ],
    };
  }
}

function portProviders({ ports, options, metrics, logger }: ApiModuleOptions): Provider[] {
  const values: readonly (readonly [symbol, unknown])[] = [
    [tokens.AUDIT_LOG, new AuditLog({ logger, metrics, ...options })],
    [tokens.BAN_LIST, ports.bans],
    [tokens.CLOCK, ports.clock],
    [tokens.DEVICE_REGISTRY, ports.registry],
    [tokens.TENANT_TRUST, ports.trust],
    [tokens.EVENT_LOG, ports.log],
    [tokens.TWIN_STORE, ports.twins],
    [tokens.PARTITION_HOLDERS, ports.holders],
    [tokens.SESSION_DIRECTORY, ports.sessions],
    [tokens.DOWNLINK_CHANNEL, ports.downlinks],
    [tokens.CHANGE_FEED, ports.changes],
    [tokens.TELEMETRY_HINTS, ports.telemetryHints],
    [tokens.OPERATION_ANSWERS, ports.answers],
    [tokens.COMMAND_INDEX, ports.commandIndex],
    [tokens.COMMAND_HINTS, ports.commandHints],
    [tokens.COMMAND_WORKFLOWS, ports.commandWorkflows],
    [tokens.TELEMETRY_READER, ports.telemetry],
    [tokens.REFUSAL_COUNTS, ports.refusals],
    [tokens.WRITER_LEDGER, ports.writerLedger],
    [tokens.TEMPORAL_HEALTH, ports.temporal],
    [tokens.API_OPTIONS, options],
    [tokens.METRICS, metrics],
    [tokens.LOGGER, logger],
  ];
  return values.map(([provide, useValue]) => ({ provide, useValue }));
}
