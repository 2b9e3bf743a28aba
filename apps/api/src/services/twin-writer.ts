import { Inject, Injectable } from '@nestjs/common';
import { jsonProblem, TWIN_LIMITS, type DeviceId, type JsonObject, type OperationOutcome } from '@breakwater/twin';
import type { Clock, RegisteredDevice, TwinStore } from '@breakwater/twin-runtime';
import { isErrorCode } from '@breakwater/wire';
import { v7 as uuidv7 } from 'uuid';

import { API_OPTIONS, CLOCK, TWIN_STORE, type ApiOptions } from '../api-ports.ts';
import type { Caller } from '../http/authentication.ts';
import { entityTag, type IfMatch } from '../http/entity-tag.ts';
import { notFound, Problem } from '../http/problem.ts';
import { operationIdOf, type OperationPlace } from '../operation-id.ts';
import type { TwinView } from '../stored-twin-view.ts';
import { ControlWriter, type AppendedRecord } from './control-writer.ts';
import { inTime } from './in-time.ts';
import type { OperationWait } from './operation-waits.ts';
import { TwinReader } from './twin-reader.ts';
import { WriteAdmission } from './write-admission.ts';

export interface TwinPatch {
  readonly desired?: JsonObject | undefined;
  readonly tags?: JsonObject | undefined;
}

export interface PatchOptions {
  readonly ifMatch: IfMatch | null;
  readonly idempotencyKey: string | null;
  readonly traceparent: string;
}

const POLL_MS_MIN = 50;
const POLL_MS_MAX = 400;

/**
 * A write is a record: it is appended, the twin decides, and the answer is what the twin remembers of it. Nothing here
 * judges the patch against the twin, so two writers, or a writer and a device, cannot get past each other.
 */
@Injectable()
export class TwinWriter {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly reader: TwinReader,
    private readonly writer: ControlWriter,
    private readonly admission: WriteAdmission,
  ) {}

  /** The twin after the patch. @throws Problem when it was refused, or when its twin did not answer in time */
  async patch(caller: Caller, deviceId: DeviceId, patch: TwinPatch, options: PatchOptions): Promise<TwinView> {
    assertWritable(patch);
    const deadlineMs = this.clock.nowMs() + this.options.writeTimeoutMs;
    const device = await this.reader.device(caller.tenant, deviceId);
    const key = options.idempotencyKey ?? uuidv7();
    if (options.idempotencyKey !== null) {
      const twin = await this.reader.twinOf(device);
      const earlier = twin.outcomeOf(key);
      if (earlier !== null) return this.#settle(twin, earlier);
    }
    if (options.ifMatch?.kind === 'versions' && options.ifMatch.versions.length === 0) {
      throw new Problem('TWIN_VERSION_CONFLICT', 'none of the entity tags in If-Match can be one of this twin');
    }
    const wait = await this.admission.admit(device, key);
    try {
      const appended = await this.#append(device, { key, patch, options, deadlineMs });
      return await this.#answer(device, { wait, key, appended, deadlineMs });
    } finally {
      wait.close();
    }
  }

  async #append(
    device: RegisteredDevice,
    write: { key: string; patch: TwinPatch; options: PatchOptions; deadlineMs: number },
  ): Promise<AppendedRecord> {
    const { desired, tags } = write.patch;
    const { ifMatch, traceparent } = write.options;
    const message = {
      kind: 'patchTwin' as const,
      operationId: write.key,
      ...(desired === undefined ? {} : { desired }),
      ...(tags === undefined ? {} : { tags }),
      ...(ifMatch?.kind === 'versions' ? { ifMatch: ifMatch.versions } : {}),
    };
    const appending = this.writer.append(device, message, traceparent);
    const appended = await inTime(this.clock, appending, write.deadlineMs - this.clock.nowMs());
    if (appended !== null) return appended;
    throw new Problem('BACKEND_UNAVAILABLE', 'the log did not answer: repeat it with the same Idempotency-Key', {
      members: { operationKey: write.key },
    });
  }

  async #answer(
    device: RegisteredDevice,
    write: { wait: OperationWait; key: string; appended: AppendedRecord; deadlineMs: number },
  ): Promise<TwinView> {
    const { key, appended, deadlineMs } = write;
    const partition = this.writer.partitionOf(device);
    for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(pollMs * 2, POLL_MS_MAX)) {
      const leftMs = deadlineMs - this.clock.nowMs();
      if (leftMs <= 0) throw pending({ device: device.device, offset: appended.offset, key });
      await write.wait.hinted(Math.min(pollMs, leftMs));
      // The position is read before the twin: past the record and still no outcome means that there never will be one.
      const { positions } = await this.twins.ledger(partition);
      const twin = await this.reader.twinOf(device);
      const outcome = twin.outcomeOf(key);
      if (outcome !== null) return this.#settle(twin, outcome);
      if (positions.control > appended.offset) throw notFound('device: it was deleted meanwhile');
    }
  }

  #settle(twin: TwinView, outcome: OperationOutcome): TwinView {
    if (outcome.kind === 'applied') return twin;
    const code = isErrorCode(outcome.code) ? outcome.code : 'PATCH_INVALID';
    throw new Problem(code, outcome.detail, { headers: { etag: entityTag(outcome.version) } });
  }
}

/** The twin would refuse it too. Checked here because JSON that is deep enough cannot even be written to the log. */
function assertWritable(patch: TwinPatch): void {
  for (const section of [patch.desired, patch.tags]) {
    const problem = section === undefined ? null : jsonProblem(section, TWIN_LIMITS.depthMax);
    if (problem === 'tooDeep') throw new Problem('JSON_TOO_DEEP', `a twin has ${TWIN_LIMITS.depthMax} levels at most`);
    if (problem === 'notJson') throw new Problem('PATCH_INVALID', 'a number is beyond the range of a double');
  }
}

function pending(place: OperationPlace): Problem {
  const operationId = operationIdOf(place);
  return new Problem('OPERATION_PENDING', 'the write is durable and will be applied; ask for the operation later', {
    headers: { location: `/api/v1/operations/${operationId}` },
    members: { operationId },
  });
}
