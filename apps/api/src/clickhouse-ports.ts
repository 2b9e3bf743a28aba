import { connectClickHouse } from '@breakwater/adapter-clickhouse';
import { PlatformError, type TelemetryReader, type WriterLedger } from '@breakwater/twin-runtime';

export interface TelemetryPorts {
  readonly reader: TelemetryReader;
  readonly writerLedger: WriterLedger;
  close(): Promise<void>;
}

/** ClickHouse may be away: nothing is asked of it before the first request that needs it. */
export function connectTelemetry(settings: {
  readonly clickhouseUrl: string;
  readonly clickhouseUser: string;
  readonly clickhousePassword: string;
  readonly clickhouseDatabase: string;
}): TelemetryPorts {
  const { client } = connectClickHouse({
    url: settings.clickhouseUrl,
    user: settings.clickhouseUser,
    password: settings.clickhousePassword,
    database: settings.clickhouseDatabase,
  });
  const away = () =>
    Promise.reject(new PlatformError('BACKEND_UNAVAILABLE', 'no telemetry can be read', { retryable: true }));
  return {
    reader: {
      readTelemetry: away,
      readAggregated: away,
      readEvents: away,
      readDeadLetters: away,
      readStoredCounts: away,
    },
    writerLedger: { readWriterLedger: away },
    close: () => client.close(),
  };
}
