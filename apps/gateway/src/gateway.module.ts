import type { Logger, Metrics } from '@breakwater/observability';
import { type DynamicModule, Module } from '@nestjs/common';

import { Gateway } from './gateway.ts';
import type { GatewayPorts } from './gateway-ports.ts';
import { GATEWAY_LOGGER, GATEWAY_METRICS, GATEWAY_PORTS, GATEWAY_SETTINGS } from './gateway-tokens.ts';
import type { GatewaySettings } from './read-gateway-settings.ts';

export interface GatewayModuleOptions {
  readonly settings: GatewaySettings;
  readonly ports: GatewayPorts;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Wires the gateway to whatever its ports are: Redis in production, memory in tests. */
@Module({})
export class GatewayModule {
  static register(options: GatewayModuleOptions): DynamicModule {
    return {
      module: GatewayModule,
      providers: [
        { provide: GATEWAY_SETTINGS, useValue: options.settings },
        { provide: GATEWAY_PORTS, useValue: options.ports },
        { provide: GATEWAY_LOGGER, useValue: options.logger },
        { provide: GATEWAY_METRICS, useValue: options.metrics },
        {
          provide: Gateway,
          inject: [GATEWAY_SETTINGS, GATEWAY_PORTS, GATEWAY_METRICS, GATEWAY_LOGGER],
          useFactory: (settings: GatewaySettings, ports: GatewayPorts, metrics: Metrics, logger: Logger) =>
            new Gateway({ settings, ports, metrics, logger }),
        },
      ],
      exports: [Gateway],
    };
  }
}
