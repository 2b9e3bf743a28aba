import { Inject, Injectable } from '@nestjs/common';
import type { TenantId } from '@breakwater/twin';

import { API_OPTIONS, type ApiOptions } from '../api-ports.ts';
import { Problem } from '../http/problem.ts';
import { CommandReader } from '../services/command-reader.ts';
import type { CommandView } from '../services/command-view.ts';
import { TwinReader } from '../services/twin-reader.ts';
import { CommandHub } from './command-hub.ts';

const ENDED: ReadonlySet<string> = new Set(['SUCCEEDED', 'FAILED', 'REJECTED', 'TIMED_OUT', 'EXPIRED', 'CANCELED']);
const WAIT_MS = 60_000;

export interface OpenCommandStream {
  readonly views: AsyncGenerator<CommandView, void, undefined>;
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
    private readonly twins: TwinReader,
  ) {}

  /** `after`: transitions that the client has seen. @throws Problem NOT_FOUND, STREAM_LIMIT */
  async open(tenant: TenantId, commandId: string, after = 0): Promise<OpenCommandStream> {
    const first = await this.reader.command(tenant, commandId);
    const device = await this.twins.device(tenant, first.deviceId);
    if (this.#open >= this.options.streamsMax) {
      throw new Problem('STREAM_LIMIT', `this process serves ${this.options.streamsMax} streams at most`);
    }
    this.#open += 1;
    let isOpen = true;
    const followed = await this.hub.follow(device, commandId);
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.#open -= 1;
      followed.close();
    };
    const read = (): Promise<CommandView> => this.reader.command(tenant, commandId);
    const views = async function* (): AsyncGenerator<CommandView, void, undefined> {
      try {
        let told = '';
        for (let view = first; isOpen; view = await read()) {
          const text = JSON.stringify(view);
          if (text !== told && view.transitions.length > after) yield view;
          told = text;
          if (ENDED.has(view.state)) return;
          await followed.changed(WAIT_MS);
        }
      } finally {
        close();
      }
    };
    return { views: views(), close };
  }
}
