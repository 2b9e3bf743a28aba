import type { TwinCommand } from '@breakwater/twin';
import {
  type AggregateItem,
  type AggregateQuery,
  type CommandPage,
  type CommandPlace,
  type CommandQuery,
  type DeadLetterItem,
  type EventItem,
  type EventQuery,
  type Page,
  PlatformError,
  type TelemetryItem,
  type TelemetryQuery,
  type TelemetryReader,
  type TwinHistoryItem,
  type TwinHistoryQuery,
  type WriterAudit,
  type WriterLedger,
  type WriterLedgerEntry,
} from '@breakwater/twin-runtime';

/** A telemetry store that answers from a list, with a cursor that is the place in it. */
export class MemoryTelemetry implements TelemetryReader, WriterLedger {
  points: TelemetryItem[] = [];
  events: EventItem[] = [];
  commands: TwinCommand[] = [];
  deadLetters: DeadLetterItem[] = [];
  history: TwinHistoryItem[] = [];
  writerEntries: WriterLedgerEntry[] = [];
  audit: WriterAudit = { plans: null, recordsMissing: 0, repeatedRows: 0 };
  isAway = false;
  lastQuery: unknown = null;

  async readTelemetry(query: TelemetryQuery): Promise<Page<TelemetryItem>> {
    const keys = query.keys ?? [];
    const found = this.points
      .filter(({ tsMs, key }) => tsMs >= query.fromMs && tsMs < query.toMs && (keys.length === 0 || keys.includes(key)))
      .sort((left, right) => right.tsMs - left.tsMs);
    return this.#page(query, found);
  }

  async readAggregated(query: AggregateQuery): Promise<Page<AggregateItem>> {
    return this.#page(query, [{ tsMs: Math.floor(query.fromMs / query.stepMs) * query.stepMs, key: 'a', value: 1 }]);
  }

  async readEvents(query: EventQuery): Promise<Page<EventItem>> {
    return this.#page(query, this.events);
  }

  async readCommands({ commandId, state, after, limit }: CommandQuery): Promise<CommandPage> {
    this.#assertHere();
    const isBefore = (one: CommandPlace, other: CommandPlace): boolean =>
      one.orderedAtMs === other.orderedAtMs ? one.commandId > other.commandId : one.orderedAtMs > other.orderedAtMs;
    const found = this.commands
      .filter((command) => (commandId ?? command.commandId) === command.commandId)
      .filter((command) => (state ?? command.state) === command.state)
      .filter((command) => after === undefined || after === null || isBefore(after, command))
      .sort((one, other) => (isBefore(one, other) ? -1 : 1));
    return { items: found.slice(0, limit), hasMore: found.length > limit };
  }

  async readDeadLetters(query: { limit: number; cursor?: string | null }): Promise<Page<DeadLetterItem>> {
    return this.#page(query, this.deadLetters);
  }

  async readTwinHistory(query: TwinHistoryQuery): Promise<Page<TwinHistoryItem>> {
    return this.#page(query, this.history);
  }

  async readStoredCounts(): Promise<readonly never[]> {
    return [];
  }

  async readWriterLedger(): Promise<readonly WriterLedgerEntry[]> {
    this.#assertHere();
    return this.writerEntries;
  }

  async auditNewest(): Promise<WriterAudit> {
    this.#assertHere();
    return this.audit;
  }

  #page<Item>(query: { limit: number; cursor?: string | null }, items: readonly Item[]): Page<Item> {
    this.#assertHere();
    this.lastQuery = query;
    const cursor = query.cursor ?? '0';
    if (!/^\d{1,6}$/.test(cursor)) throw new PlatformError('REQUEST_INVALID', 'the cursor cannot be read');
    const end = Number(cursor) + query.limit;
    return { items: items.slice(Number(cursor), end), nextCursor: end < items.length ? String(end) : null };
  }

  #assertHere(): void {
    if (this.isAway) throw new PlatformError('BACKEND_UNAVAILABLE', 'ClickHouse is away', { retryable: true });
  }
}
