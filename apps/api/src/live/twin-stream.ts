import { deviceKey, type DeviceId, type JsonObject, type TenantId } from '@breakwater/twin';
import type { ChangeFeed, FeedEntry } from '@breakwater/twin-runtime';
import { Inject, Injectable } from '@nestjs/common';

import { API_OPTIONS, CHANGE_FEED, type ApiOptions } from '../api-ports.ts';
import { Problem } from '../http/problem.ts';
import { cursorInvalid } from '../http/opaque-cursor.ts';
import { ControlWriter } from '../services/control-writer.ts';
import { TwinReader } from '../services/twin-reader.ts';
import { ChangeHub } from './change-hub.ts';
import { NoticeQueue } from './notice-queue.ts';
import { TelemetryHub } from './telemetry-hub.ts';

/** What a live view of one twin is told. */
export type TwinNotice =
  | { readonly kind: 'change'; readonly cursor: string; readonly entry: FeedEntry }
  /** Only telemetry changed: the twin as it is now. The cursor is that of the last change before it. */
  | { readonly kind: 'telemetry'; readonly cursor: string; readonly document: JsonObject }
  /** Changes were missed; here is the twin as it is now. */
  | { readonly kind: 'gap'; readonly cursor: string; readonly document: JsonObject };

export interface OpenTwinStream {
  /** Where the stream begins: to resume here misses nothing. */
  readonly cursor: string;
  readonly notices: AsyncGenerator<TwinNotice, void, undefined>;
  /** Ends the stream at once, also while it waits. */
  close(): void;
}

export interface TwinStreamRequest {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly after: string | null;
}

const CURSOR_PATTERN = /^\d{1,19}(-\d{1,19})?$/;
const BACKLOG_MAX = 1_000;

/** Live views of single twins, for SSE and GraphQL alike: resumable, bounded, each change once, telemetry coalesced. */
@Injectable()
export class TwinStreams {
  #open = 0;

  constructor(
    @Inject(CHANGE_FEED) private readonly feed: ChangeFeed,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly hub: ChangeHub,
    private readonly telemetry: TelemetryHub,
    private readonly reader: TwinReader,
    private readonly writer: ControlWriter,
  ) {}

  get openCount(): number {
    return this.#open;
  }

  /** @throws Problem NOT_FOUND, STREAM_LIMIT, CURSOR_INVALID */
  async open(request: TwinStreamRequest): Promise<OpenTwinStream> {
    if (request.after !== null && !CURSOR_PATTERN.test(request.after)) throw cursorInvalid();
    const device = await this.reader.device(request.tenant, request.device);
    if (this.#open >= this.options.streamsMax) {
      throw new Problem('STREAM_LIMIT', `this process serves ${this.options.streamsMax} streams at most`);
    }
    this.#open += 1;
    const queue = new NoticeQueue(this.options.streamQueueMax);
    const key = deviceKey(device.tenant, device.device);
    const unlisten: (() => void)[] = [];
    const close = (): void => {
      if (queue.isClosed) return;
      queue.close();
      for (const each of unlisten) each();
      this.#open -= 1;
    };
    try {
      unlisten.push(await this.hub.listen(key, (entry) => queue.push(entry)));
      unlisten.push(await this.telemetry.listen(device, (document) => queue.pushTelemetry(document)));
      // Live entries collect from here on; what lies before them is read from the feed, and what is in both is sent
      // once.
      const cursor = request.after ?? (await this.feed.end(this.writer.partitionOf(device)));
      return { cursor, notices: this.#notices({ request, cursor, queue, close }), close };
    } catch (error) {
      close();
      throw error;
    }
  }

  async *#notices(stream: {
    readonly request: TwinStreamRequest;
    readonly cursor: string;
    readonly queue: NoticeQueue;
    readonly close: () => void;
  }): AsyncGenerator<TwinNotice, void, undefined> {
    const { request, queue } = stream;
    const seen = new SeenChanges();
    try {
      const backlog =
        request.after === null ? { entries: [], gap: false } : await this.#backlog(request, stream.cursor);
      let { cursor } = stream;
      const told = (notice: TwinNotice): TwinNotice => {
        ({ cursor } = notice);
        return notice;
      };
      if (backlog.gap) yield told(await this.#gap(request));
      for (const entry of backlog.entries) {
        if (seen.isNew(entry)) yield told({ kind: 'change', cursor: entry.cursor, entry });
      }
      for (;;) {
        const next = await queue.next();
        if (next.kind === 'closed') return;
        if (next.kind === 'overflowed') yield told(await this.#gap(request));
        else if (next.kind === 'telemetry') yield { ...next, cursor };
        else if (seen.isNew(next.entry)) yield told({ ...next, cursor: next.entry.cursor });
      }
    } finally {
      stream.close();
    }
  }

  async #backlog(request: TwinStreamRequest, cursor: string): Promise<{ entries: readonly FeedEntry[]; gap: boolean }> {
    const device = await this.reader.device(request.tenant, request.device);
    const key = deviceKey(device.tenant, device.device);
    const found = await this.feed.since(this.writer.partitionOf(device), key, cursor, BACKLOG_MAX);
    // More than one answer holds: the twin as it is now says more than a thousand changes of it.
    return found.gap || found.entries.length >= BACKLOG_MAX ? { entries: [], gap: true } : found;
  }

  async #gap(request: TwinStreamRequest): Promise<TwinNotice> {
    const device = await this.reader.device(request.tenant, request.device);
    // The cursor is taken before the twin is read: a change in between is told twice rather than never.
    const cursor = await this.feed.end(this.writer.partitionOf(device));
    return { kind: 'gap', cursor, document: (await this.reader.twinOf(device)).document };
  }
}

/** The feed may hold a change more than once, since what follows a commit is done at least once. */
class SeenChanges {
  #incarnation = 0;
  #changeNumber = 0;

  isNew({ change }: FeedEntry): boolean {
    const { incarnation, changeNumber } = change;
    const isOld =
      incarnation < this.#incarnation || (incarnation === this.#incarnation && changeNumber <= this.#changeNumber);
    if (isOld) return false;
    this.#incarnation = incarnation;
    this.#changeNumber = changeNumber;
    return true;
  }
}
