import { Args, Context, Mutation, Query, Resolver, Subscription } from '@nestjs/graphql';
import type { JsonObject } from '@breakwater/twin';

import { isOperationKey } from '../operation-id.ts';
import { TwinStreams, type TwinNotice } from '../live/twin-stream.ts';
import { TwinReader } from '../services/twin-reader.ts';
import { TwinWriter } from '../services/twin-writer.ts';
import { orNull } from './device-resolver.ts';
import { deviceIdArgument, invalid, patchArgument } from './graphql-arguments.ts';
import { LiveIterator } from './live-iterator.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import type { GraphqlContext } from './request-context.ts';
import { twinNode } from './twin-node.ts';

interface UpdateDesiredInput {
  readonly clientMutationId?: string | null;
  readonly deviceId: string;
  readonly desired?: unknown;
  readonly tags?: unknown;
  readonly expectedVersion?: number | null;
  readonly idempotencyKey?: string | null;
}

interface UpdateDesiredPayload {
  readonly clientMutationId: string | null;
  readonly twin?: JsonObject;
  readonly error?: Refusal;
}

@Resolver('Twin')
export class TwinResolver {
  constructor(
    private readonly reader: TwinReader,
    private readonly writer: TwinWriter,
    private readonly streams: TwinStreams,
  ) {}

  @Query('twin')
  twin(@Args('deviceId') id: string, @Context() { caller, cost }: GraphqlContext): Promise<JsonObject | null> {
    cost.spend('twin');
    return orNull(async () => twinNode((await this.reader.twin(caller.tenant, deviceIdArgument(id))).document));
  }

  @Mutation('updateDesired')
  async updateDesired(
    @Args('input') input: UpdateDesiredInput,
    @Context() { caller, trace, cost }: GraphqlContext,
  ): Promise<UpdateDesiredPayload> {
    cost.spend('write');
    const clientMutationId = input.clientMutationId ?? null;
    const deviceId = deviceIdArgument(input.deviceId);
    const patch = { desired: patchArgument('desired', input.desired), tags: patchArgument('tags', input.tags) };
    if (patch.desired === undefined && patch.tags === undefined) throw invalid('one of desired and tags is needed');
    const idempotencyKey = input.idempotencyKey ?? null;
    if (idempotencyKey !== null && !isOperationKey(idempotencyKey)) {
      throw invalid('idempotencyKey takes 1 to 128 visible ASCII characters');
    }
    const expected = input.expectedVersion ?? null;
    try {
      const { document } = await this.writer.patch(caller, deviceId, patch, {
        ifMatch: expected === null ? null : { kind: 'versions', versions: [expected] },
        idempotencyKey,
        traceparent: trace.traceparent,
      });
      return { clientMutationId, twin: twinNode(document) };
    } catch (error) {
      return { clientMutationId, error: refusalOf(error) };
    }
  }

  @Subscription('twinChanged')
  async twinChanged(
    @Args('deviceId') id: string,
    @Args('after') after: string | null | undefined,
    @Context() { caller }: GraphqlContext,
  ): Promise<AsyncIterableIterator<object>> {
    const request = { tenant: caller.tenant, device: deviceIdArgument(id), after: after ?? null };
    const stream = await this.streams.open(request);
    return new LiveIterator(stream, (notice) => ({ twinChanged: changeOf(notice) }));
  }
}

function changeOf(notice: TwinNotice): object {
  const document =
    notice.kind === 'change' ? (JSON.parse(notice.entry.change.document) as JsonObject) : notice.document;
  return {
    deviceId: document['id'],
    twin: twinNode(document),
    sections: sectionsOf(notice),
    gap: notice.kind === 'gap',
    cursor: notice.cursor,
  };
}

function sectionsOf(notice: TwinNotice): readonly string[] {
  if (notice.kind === 'change') return notice.entry.change.sections;
  return notice.kind === 'telemetry' ? ['telemetry'] : [];
}
