import { createHash } from 'node:crypto';

import { Inject, Injectable } from '@nestjs/common';
import { isEnded, type TenantId } from '@breakwater/twin';
import type { RegisteredDevice } from '@breakwater/twin-runtime';

import { API_OPTIONS, type ApiOptions } from '../api-ports.ts';
import { Problem } from '../http/problem.ts';
import { CommandReader } from '../services/command-reader.ts';
import type { CommandView } from '../services/command-view.ts';
import { CommandHub, type FollowedCommand } from './command-hub.ts';

/** Longer than the hub ever waits, which looks again by itself. */
const WAIT_MS = 60_000;
const DIGEST_LENGTH = 8;

export interface CommandNotice {
  /** Names what the client has seen: the number of transitions, and a digest of the whole. */
  readonly id: string;
  readonly view: CommandView;
}

export interface OpenCommandStream {
  /** It has ended, and the client has seen that. */
  readonly isOver: boolean;
  readonly notices: AsyncGenerator<CommandNotice, void, undefined>;
  /** Ends the stream at once, also while it waits. */
  close(): void;
}

/**
 * Live views of single commands, for SSE and GraphQL alike. Each holds the whole command, so one that is skipped by a
 * slow client is in the next one; the last shows the end.
 */
@Injectable()
export class CommandStreams {
  #open = 0;

  constructor(
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly hub: CommandHub,
    private readonly reader: CommandReader,
  ) {}

  /** `seen`: the id of the last notice that the client got. @throws Problem NOT_FOUND, STREAM_LIMIT */
  async open(tenant: TenantId, commandId: string, seen = ''): Promise<OpenCommandStream> {
    const device = await this.reader.deviceOf(tenant, commandId);
    if (this.#open >= this.options.streamsMax) {
      throw new Problem('STREAM_LIMIT', `this process serves ${this.options.streamsMax} streams at most`);
    }
    this.#open += 1;
    let followed: FollowedCommand | null = null;
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.#open -= 1;
      followed?.close();
    };
    try {
      // Followed first, then read: what changes in between is told rather than missed.
      followed = await this.hub.follow(device, commandId);
      const first = noticeOf(await this.reader.commandOf(device, commandId));
      const notices = this.#notices(device, { first, seen, followed, close });
      return { isOver: isEnded(first.view) && first.id === seen, notices, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  async *#notices(
    device: RegisteredDevice,
    stream: {
      readonly first: CommandNotice;
      readonly seen: string;
      readonly followed: FollowedCommand;
      readonly close: () => void;
    },
  ): AsyncGenerator<CommandNotice, void, undefined> {
    const { commandId } = stream.first.view;
    try {
      let { seen } = stream;
      let notice = stream.first;
      for (;;) {
        if (notice.id !== seen) yield notice;
        seen = notice.id;
        if (isEnded(notice.view) || !(await stream.followed.changed(WAIT_MS))) return;
        notice = noticeOf(await this.reader.commandOf(device, commandId));
      }
    } finally {
      stream.close();
    }
  }
}

function noticeOf(view: CommandView): CommandNotice {
  const digest = createHash('sha256').update(JSON.stringify(view)).digest('base64url').slice(0, DIGEST_LENGTH);
  return { id: `${view.transitions.length}-${digest}`, view };
}
