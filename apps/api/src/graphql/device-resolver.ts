import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import type { DeviceId, JsonObject } from '@breakwater/twin';
import type { Aggregation } from '@breakwater/twin-runtime';

import { problemFromError } from '../http/problem-from-error.ts';
import { DeviceService, type DeviceView } from '../services/device-service.ts';
import { TelemetryService } from '../services/telemetry-service.ts';
import { TwinReader } from '../services/twin-reader.ts';
import { deviceIdArgument, keysArgument, pageArgument, stepArgument, timeArgument } from './graphql-arguments.ts';
import type { GraphqlContext } from './request-context.ts';
import { twinNode } from './twin-node.ts';
import { refusalOf, type Refusal } from './refusal.ts';

interface DeviceNode extends Omit<DeviceView, 'id'> {
  readonly __typename: 'Device';
  readonly id: string;
  readonly deviceId: DeviceId;
}

interface TelemetryArguments {
  readonly keys?: readonly string[] | null;
  readonly from?: number | null;
  readonly to?: number | null;
  readonly step?: number | null;
  readonly agg?: Aggregation | null;
  readonly limit?: number | null;
  readonly cursor?: string | null;
}

const PAGE_DEFAULT = 50;
const NODE_KIND = 'Device:';

@Resolver('Device')
export class DeviceResolver {
  constructor(
    private readonly devices: DeviceService,
    private readonly twins: TwinReader,
    private readonly telemetryService: TelemetryService,
  ) {}

  @Query('device')
  async device(@Args('id') id: string, @Context() { caller, cost }: GraphqlContext): Promise<DeviceNode | null> {
    cost.spend('device');
    return orNull(async () => nodeOf(await this.devices.find(caller.tenant, deviceIdArgument(id))));
  }

  @Query('node')
  async node(@Args('id') id: string, @Context() context: GraphqlContext): Promise<DeviceNode | null> {
    const text = Buffer.from(id, 'base64url').toString('utf8');
    return text.startsWith(NODE_KIND) ? this.device(text.slice(NODE_KIND.length), context) : null;
  }

  @Query('devices')
  async list(
    @Args() page: { first?: number | null; after?: string | null },
    @Context() { caller, cost }: GraphqlContext,
  ): Promise<object> {
    cost.spend('page');
    const first = pageArgument(page.first, PAGE_DEFAULT);
    const { items, nextCursor } = await this.devices.list(caller.tenant, first, page.after ?? undefined);
    const edges = items.map((view) => ({ node: nodeOf(view), cursor: this.devices.cursorAt(view.id) }));
    const pageInfo = {
      hasNextPage: nextCursor !== null,
      hasPreviousPage: page.after !== null && page.after !== undefined,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    };
    return { edges, nodes: edges.map(({ node }) => node), pageInfo };
  }

  @Mutation('createDevice')
  async create(
    @Args('input') input: { clientMutationId?: string | null; deviceId?: string | null },
    @Context() { caller, trace, cost }: GraphqlContext,
  ): Promise<{ device?: DeviceNode; token?: string; error?: Refusal; clientMutationId: string | null }> {
    cost.spend('write');
    const clientMutationId = input.clientMutationId ?? null;
    const wanted =
      input.deviceId === null || input.deviceId === undefined ? undefined : deviceIdArgument(input.deviceId);
    try {
      const { token, ...view } = await this.devices.create(caller.tenant, { id: wanted }, trace.traceparent);
      return { clientMutationId, device: nodeOf(view), token };
    } catch (error) {
      return { clientMutationId, error: refusalOf(error) };
    }
  }

  @ResolveField('twin')
  async twin(@Parent() { deviceId }: DeviceNode, @Context() { caller, cost }: GraphqlContext): Promise<JsonObject> {
    cost.spend('twin');
    return twinNode((await this.twins.twin(caller.tenant, deviceId)).document);
  }

  @Query('telemetry')
  telemetryOf(
    @Args() { deviceId, ...query }: TelemetryArguments & { readonly deviceId: string },
    @Context() context: GraphqlContext,
  ): Promise<object> {
    return this.#readTelemetry(deviceIdArgument(deviceId), query, context);
  }

  @ResolveField('telemetry')
  telemetry(
    @Parent() { deviceId }: DeviceNode,
    @Args() query: TelemetryArguments,
    @Context() context: GraphqlContext,
  ): Promise<object> {
    return this.#readTelemetry(deviceId, query, context);
  }

  #readTelemetry(device: DeviceId, query: TelemetryArguments, { caller, cost }: GraphqlContext): Promise<object> {
    cost.spend('telemetry');
    return this.telemetryService.telemetry(caller.tenant, device, {
      key: keysArgument(query.keys),
      from: timeArgument('from', query.from),
      to: timeArgument('to', query.to),
      step: stepArgument(query.step),
      agg: query.agg ?? undefined,
      limit: pageArgument(query.limit, PAGE_DEFAULT),
      cursor: query.cursor ?? undefined,
    });
  }
}

function nodeOf({ id, ...view }: DeviceView): DeviceNode {
  return { __typename: 'Device', ...view, deviceId: id, id: Buffer.from(`${NODE_KIND}${id}`).toString('base64url') };
}

/** What does not exist is null in GraphQL, not an error. */
export async function orNull<Result>(read: () => Promise<Result>): Promise<Result | null> {
  try {
    return await read();
  } catch (error) {
    if (problemFromError(error).code === 'NOT_FOUND') return null;
    throw error;
  }
}
