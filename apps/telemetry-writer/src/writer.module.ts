import type { Logger, Metrics } from '@breakwater/observability';
import { type DynamicModule, Module } from '@nestjs/common';

import type { WriterSettings } from './read-writer-settings.ts';
import { WRITER_LOGGER, WRITER_METRICS, WRITER_PORTS, WRITER_SETTINGS, type WriterPorts } from './writer-ports.ts';
import { WriterService } from './writer-service.ts';

/** Wires the writer to whatever its ports are. */
@Module({})
export class WriterModule {
  static register(options: {
    readonly settings: WriterSettings;
    readonly ports: WriterPorts;
    readonly metrics: Metrics;
    readonly logger: Logger;
  }): DynamicModule {
    return {
      module: WriterModule,
      providers: [
        { provide: WRITER_SETTINGS, useValue: options.settings },
        { provide: WRITER_PORTS, useValue: options.ports },
        { provide: WRITER_METRICS, useValue: options.metrics },
        { provide: WRITER_LOGGER, useValue: options.logger },
        WriterService,
      ],
      exports: [WriterService],
    };
  }
}
