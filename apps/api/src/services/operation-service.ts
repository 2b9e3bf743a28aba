import { Inject, Injectable } from '@nestjs/common';
import type { OperationOutcome } from '@breakwater/twin';
import type { EventLog, TwinStore } from '@breakwater/twin-runtime';

import { EVENT_LOG, TWIN_STORE } from '../api-ports.ts';
import type { Caller } from '../http/authentication.ts';
import { notFound } from '../http/problem.ts';
import { parseOperationId } from '../operation-id.ts';
import { ControlWriter } from './control-writer.ts';
import { TwinReader } from './twin-reader.ts';

export interface OperationView {
  readonly id: string;
  readonly deviceId: string;
  readonly status: 'pending' | 'applied' | 'rejected';
  readonly version: number | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

/** What became of a write. The twin remembers its last operations; the log's positions tell the rest. */
@Injectable()
export class OperationService {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    private readonly reader: TwinReader,
    private readonly writer: ControlWriter,
  ) {}

  /** @throws Problem NOT_FOUND for what never was, is another tenant's, or is forgotten */
  async find(caller: Caller, id: string): Promise<OperationView> {
    const place = parseOperationId(id);
    if (place === null) throw notFound('operation');
    const device = await this.reader.device(caller.tenant, place.device).catch(() => {
      throw notFound('operation');
    });
    const partition = this.writer.partitionOf(device);
    const { positions } = await this.twins.ledger(partition);
    const outcome = (await this.reader.twinOf(device)).outcomeOf(place.key);
    if (outcome !== null) return { id, deviceId: place.device, ...viewOf(outcome) };
    if (positions.control > place.offset) throw notFound('operation: the twin remembers its last 32');
    const { end } = await this.log.bounds('control', partition);
    if (place.offset >= end) throw notFound('operation');
    return { id, deviceId: place.device, status: 'pending', version: null, error: null };
  }
}

function viewOf(outcome: OperationOutcome): Pick<OperationView, 'status' | 'version' | 'error'> {
  return outcome.kind === 'applied'
    ? { status: 'applied', version: outcome.version, error: null }
    : { status: 'rejected', version: outcome.version, error: { code: outcome.code, detail: outcome.detail } };
}
