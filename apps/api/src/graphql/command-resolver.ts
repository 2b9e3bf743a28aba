import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import type { CommandState, DeviceId } from '@breakwater/twin';
import { isCommandId } from '@breakwater/wire';
import type { z } from 'zod';

import { CommandStreams } from '../live/command-streams.ts';
import { isOperationKey } from '../operation-id.ts';
import { cancelBody, commandBody } from '../schemas/command-schemas.ts';
import { CommandReader } from '../services/command-reader.ts';
import { CommandService } from '../services/command-service.ts';
import type { CommandView } from '../services/command-view.ts';
import { orNull } from './device-resolver.ts';
import { deviceIdArgument, invalid, pageArgument } from './graphql-arguments.ts';
import { LiveIterator } from './live-iterator.ts';
import { CANCEL_TYPES, refusalOf, type Refusal } from './refusal.ts';
import type { GraphqlContext } from './request-context.ts';

interface SendCommandInput extends Readonly<Record<string, unknown>> {
  readonly clientMutationId?: string | null;
  readonly deviceId: string;
  readonly idempotencyKey?: string | null;
}

interface CommandsArguments {
  readonly state?: CommandState | null;
  readonly limit?: number | null;
  readonly cursor?: string | null;
}

interface CancelCommandInput {
  readonly clientMutationId?: string | null;
  readonly commandId: string;
  readonly force?: boolean | null;
  readonly reason?: string | null;
}

interface CommandPayload {
  readonly clientMutationId: string | null;
  readonly command?: object;
  readonly error?: Refusal;
}

const PAGE_DEFAULT = 50;

/** Commands in GraphQL: the services and the limits of REST, with expected failures as data. */
@Resolver('Device')
export class CommandResolver {
  constructor(
    private readonly commands: CommandService,
    private readonly reader: CommandReader,
    private readonly streams: CommandStreams,
  ) {}

  @Query('command')
  command(@Args('commandId') id: string, @Context() { caller, cost }: GraphqlContext): Promise<object | null> {
    cost.spend('command');
    return orNull(async () => nodeOf(await this.reader.command(caller.tenant, commandIdArgument(id))));
  }

  @ResolveField('commands')
  async list(
    @Parent() { deviceId }: { readonly deviceId: DeviceId },
    @Args() { state, limit, cursor }: CommandsArguments,
    @Context() { caller, cost }: GraphqlContext,
  ): Promise<object> {
    cost.spend('telemetry');
    const { items, nextCursor } = await this.reader.commands(caller.tenant, deviceId, {
      state: state ?? undefined,
      limit: pageArgument(limit, PAGE_DEFAULT),
      cursor: cursor ?? undefined,
    });
    return { items: items.map(nodeOf), nextCursor };
  }

  @Mutation('sendCommand')
  async send(
    @Args('input') input: SendCommandInput,
    @Context() { caller, trace, cost }: GraphqlContext,
  ): Promise<CommandPayload> {
    cost.spend('write');
    const { clientMutationId = null, deviceId, idempotencyKey = null, params, ...body } = input;
    const device = deviceIdArgument(deviceId);
    // Here null is a value: the device gets it.
    const order = parsed(commandBody, { ...given(body), ...(params === undefined ? {} : { params }) });
    if (idempotencyKey !== null && !isOperationKey(idempotencyKey)) {
      throw invalid('idempotencyKey takes 1 to 128 visible ASCII characters');
    }
    try {
      const { traceparent } = trace;
      const view = await this.commands.order(caller, device, order, { idempotencyKey, traceparent, waitMs: 0 });
      return { clientMutationId, command: nodeOf(view) };
    } catch (error) {
      return { clientMutationId, error: refusalOf(error) };
    }
  }

  @Mutation('cancelCommand')
  async cancel(
    @Args('input') input: CancelCommandInput,
    @Context() { caller, trace, cost }: GraphqlContext,
  ): Promise<CommandPayload> {
    cost.spend('write');
    const { clientMutationId = null, commandId, ...body } = input;
    const id = commandIdArgument(commandId);
    const { force = false, reason } = parsed(cancelBody, given(body)) ?? {};
    try {
      const how = { force, reason, traceparent: trace.traceparent };
      return { clientMutationId, command: nodeOf(await this.commands.cancel(caller, id, how)) };
    } catch (error) {
      return { clientMutationId, error: refusalOf(error, CANCEL_TYPES) };
    }
  }

  @Subscription('commandChanged')
  async commandChanged(
    @Args('commandId') id: string,
    @Context() { caller }: GraphqlContext,
  ): Promise<AsyncIterableIterator<object>> {
    const stream = await this.streams.open(caller.tenant, commandIdArgument(id));
    return new LiveIterator(stream, ({ view }) => ({ commandChanged: nodeOf(view) }));
  }
}

function nodeOf(view: CommandView): object {
  return { resultTooLarge: false, deliveryUnknown: false, mayHaveRun: false, ...view };
}

function commandIdArgument(id: string): string {
  if (isCommandId(id)) return id;
  throw invalid('a command id is 1 to 128 of A-Z a-z 0-9 _ . : -');
}

/** The members that have a value, on every level: an argument that is null is one that was left out. */
function given(input: object): object {
  const entries = Object.entries(input)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, typeof value === 'object' ? given(value as object) : (value as unknown)] as const);
  return Object.fromEntries(entries);
}

/** Checked by the schema of REST, so that both take the same. */
function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it cannot be used'}`);
}
