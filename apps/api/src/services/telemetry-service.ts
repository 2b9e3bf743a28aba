import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, JsonValue, TenantId } from '@breakwater/twin';
import type { Aggregation, Clock, TelemetryReader } from '@breakwater/twin-runtime';

import { CLOCK, TELEMETRY_READER } from '../api-ports.ts';
import { cursorInvalid, decodeCursor, encodeCursor } from '../http/opaque-cursor.ts';
import { Problem } from '../http/problem.ts';
import { TwinReader } from './twin-reader.ts';

export interface TelemetryRequest {
  readonly key?: readonly string[] | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly step?: number | undefined;
  readonly agg?: Aggregation | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface EventsRequest {
  readonly name?: string | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface List<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

interface Range {
  readonly fromMs: number;
  readonly toMs: number;
}

const DAY_MS = 86_400_000;
const RANGE_CURSOR = /^(\d{1,16}) (\d{1,16}) (\S+)$/;

/**
 * What devices measured, out of the telemetry store. Only registered devices are asked for, so ids cannot be probed.
 */
@Injectable()
export class TelemetryService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TELEMETRY_READER) private readonly reader: TelemetryReader,
    private readonly twins: TwinReader,
  ) {}

  async telemetry(
    tenant: TenantId,
    device: DeviceId,
    request: TelemetryRequest,
  ): Promise<List<{ ts: number; key: string; value: JsonValue }>> {
    await this.twins.device(tenant, device);
    const { range, cursor } = this.#page(request);
    const query = {
      tenant,
      device,
      ...range,
      limit: request.limit,
      ...(request.key === undefined ? {} : { keys: request.key }),
      cursor,
    };
    const page = await whenCursorIsGood(cursor, () =>
      request.step === undefined
        ? this.reader.readTelemetry(query)
        : this.reader.readAggregated({ ...query, stepMs: request.step, agg: request.agg ?? 'avg' }),
    );
    return {
      items: page.items.map((item) => ({ ts: item.tsMs, key: item.key, value: item.value })),
      nextCursor: this.#next(range, page.nextCursor),
    };
  }

  async events(tenant: TenantId, device: DeviceId, request: EventsRequest): Promise<List<Record<string, unknown>>> {
    await this.twins.device(tenant, device);
    const { range, cursor } = this.#page(request);
    const page = await whenCursorIsGood(cursor, () =>
      this.reader.readEvents({
        tenant,
        device,
        ...range,
        limit: request.limit,
        ...(request.name === undefined ? {} : { name: request.name }),
        cursor,
      }),
    );
    const items = page.items.map(({ tsMs, receivedAtMs, name, data, messageId }) => {
      return { ts: tsMs, receivedAt: receivedAtMs, name, data, messageId };
    });
    return { items, nextCursor: this.#next(range, page.nextCursor) };
  }

  async twinHistory(
    tenant: TenantId,
    device: DeviceId,
    request: Omit<EventsRequest, 'name'>,
  ): Promise<List<Record<string, unknown>>> {
    await this.twins.device(tenant, device);
    const { range, cursor } = this.#page(request);
    const page = await whenCursorIsGood(cursor, () =>
      this.reader.readTwinHistory({ tenant, device, ...range, limit: request.limit, cursor }),
    );
    const items = page.items.map(({ tsMs, sections, document }) => ({ ts: tsMs, sections, twin: document }));
    return { items, nextCursor: this.#next(range, page.nextCursor) };
  }

  async deadLetters(
    tenant: TenantId,
    request: { device?: DeviceId | undefined; limit: number; cursor?: string | undefined },
  ): Promise<List<Record<string, unknown>>> {
    const cursor = request.cursor ?? null;
    const device = request.device === undefined ? {} : { device: request.device };
    const page = await whenCursorIsGood(cursor, () =>
      this.reader.readDeadLetters({ tenant, ...device, limit: request.limit, cursor }),
    );
    const items = page.items.map(({ receivedAtMs, device: deviceId, ...rest }) => {
      return { receivedAt: receivedAtMs, deviceId, ...rest };
    });
    return { items, nextCursor: page.nextCursor };
  }

  /** A page's range goes into its cursor: "the last 24 hours" must not move between two pages. */
  #page(request: Pick<TelemetryRequest, 'from' | 'to' | 'cursor'>): { range: Range; cursor: string | null } {
    if (request.cursor !== undefined) {
      const [, from, to, cursor] = RANGE_CURSOR.exec(decodeCursor('range', request.cursor)) ?? [];
      const range = { fromMs: Number(from), toMs: Number(to) };
      const isOwn = Number.isSafeInteger(range.fromMs) && Number.isSafeInteger(range.toMs) && range.fromMs < range.toMs;
      if (!isOwn || cursor === undefined || cursor === '') throw cursorInvalid();
      return { range, cursor };
    }
    const toMs = request.to ?? this.clock.nowMs();
    const fromMs = request.from ?? Math.max(0, toMs - DAY_MS);
    if (fromMs < toMs) return { range: { fromMs, toMs }, cursor: null };
    throw new Problem('REQUEST_INVALID', 'the range is empty', {
      errors: [{ pointer: '#query/from', detail: '`from` must be before `to`' }],
    });
  }

  #next(range: Range, cursor: string | null): string | null {
    return cursor === null ? null : encodeCursor('range', `${range.fromMs} ${range.toMs} ${cursor}`);
  }
}

/**
 * The store refuses a cursor that it cannot read as an invalid request; here it is known which part of it is invalid.
 */
async function whenCursorIsGood<Result>(cursor: string | null, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    const isRefusal = error instanceof Error && 'code' in error && error.code === 'REQUEST_INVALID';
    if (isRefusal && cursor !== null) throw cursorInvalid();
    throw error;
  }
}
