import { ClickHouseTelemetryReader, ClickHouseWriterLedger, connectClickHouse } from '@breakwater/adapter-clickhouse';
import type { TelemetryReader, WriterLedger } from '@breakwater/twin-runtime';

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
  readonly telemetryTimeoutMs: number;
}): TelemetryPorts {
  const clickhouse = connectClickHouse({
    url: settings.clickhouseUrl,
    user: settings.clickhouseUser,
    password: settings.clickhousePassword,
    database: settings.clickhouseDatabase,
    requestTimeoutMs: settings.telemetryTimeoutMs,
  });
  return {
    reader: new ClickHouseTelemetryReader(clickhouse),
    writerLedger: new ClickHouseWriterLedger(clickhouse),
    close: () => clickhouse.client.close(),
  };
}
