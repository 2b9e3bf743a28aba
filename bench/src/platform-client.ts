import type { DeviceLogin } from './simulated-device.ts';

/** Requests that are under way at the same time while devices are registered. */
const REGISTRATIONS_AT_ONCE = 20;
/** Twins of one answer; each costs two points of the thousand that a GraphQL request may cost. */
const TWINS_PER_PAGE = 400;
const TWINS_QUERY = `query Twins($first: Int!, $after: String) {
  devices(first: $first, after: $after) {
    nodes { deviceId twin { telemetry presence } }
    pageInfo { hasNextPage endCursor }
  }
}`;

/** The little of a twin that a check of many looks at. */
export interface TwinSummary {
  readonly deviceId: string;
  /** The newest value of each key. */
  readonly telemetry: Readonly<Record<string, unknown>>;
  readonly connected: boolean;
}

/** Totals of the ledger, over all partitions of a lane. */
export interface LedgerTotals {
  readonly telemetryAppended: number;
  readonly telemetryApplied: number;
  readonly telemetryStored: number;
  readonly twinLag: number;
  readonly writerLag: number;
  /** Of both lanes, what is applied and still kept included. */
  readonly logBytes: number;
}

/** The little of a command that a benchmark looks at. */
export interface OrderedCommand {
  readonly commandId: string;
  readonly state: string;
}

/** The key is good, but not for this: a tenant's key, say, for what only the administrator may see. */
export class Forbidden extends Error {
  override readonly name = 'Forbidden';
}

/** The little of the REST API that a load needs. */
export class PlatformClient {
  readonly #url: string;
  readonly #key: string;

  constructor(options: { url: string; key: string }) {
    this.#url = options.url.replace(/\/$/, '');
    this.#key = options.key;
  }

  async registerDevices(prefix: string, count: number): Promise<readonly DeviceLogin[]> {
    const logins: DeviceLogin[] = [];
    for (let first = 0; first < count; first += REGISTRATIONS_AT_ONCE) {
      const size = Math.min(REGISTRATIONS_AT_ONCE, count - first);
      const ids = Array.from({ length: size }, (_, at) => `${prefix}-${first + at}`);
      logins.push(...(await Promise.all(ids.map((id) => this.#register(id)))));
    }
    return logins;
  }

  async ledger(): Promise<LedgerTotals> {
    const ledger = (await this.#request('GET', '/api/v1/ledger')) as LedgerAnswer;
    const { control, telemetry } = ledger.lanes;
    return {
      telemetryAppended: telemetry.appended,
      telemetryApplied: telemetry.consumers.twins.position,
      telemetryStored: telemetry.consumers.writer.position,
      twinLag: telemetry.consumers.twins.inFlight,
      writerLag: telemetry.consumers.writer.inFlight,
      logBytes: control.bytes + telemetry.bytes,
    };
  }

  twin(id: string): Promise<unknown> {
    return this.#request('GET', `/api/v1/devices/${encodeURIComponent(id)}/twin`);
  }

  /** All twins of the tenant, in order of their devices' ids. */
  async *twinPages(): AsyncGenerator<readonly TwinSummary[]> {
    let after: string | null = null;
    do {
      const variables = { first: TWINS_PER_PAGE, after };
      const answer = (await this.#request('POST', '/graphql', { query: TWINS_QUERY, variables })) as TwinsAnswer;
      if (answer.data === null) throw new Error(`twins cannot be read: ${JSON.stringify(answer.errors)}`);
      const { nodes, pageInfo } = answer.data.devices;
      yield nodes.map(({ deviceId, twin }) => ({
        deviceId,
        telemetry: Object.fromEntries(Object.entries(twin.telemetry).map(([key, { value }]) => [key, value])),
        connected: twin.presence.connected,
      }));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);
  }

  /** Merges into the desired state; answers the HTTP status. */
  async patchDesired(id: string, desired: object): Promise<number> {
    const response = await this.#fetch(`/api/v1/devices/${encodeURIComponent(id)}/twin`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify({ desired }),
    });
    await response.arrayBuffer();
    return response.status;
  }

  /** Answers at the command's end, or as it is when `waitSeconds` are over. */
  async orderCommand(id: string, order: { readonly method: string }, waitSeconds: number): Promise<OrderedCommand> {
    const path = `/api/v1/devices/${encodeURIComponent(id)}/commands`;
    return (await this.#request('POST', path, order, { prefer: `wait=${waitSeconds}` })) as OrderedCommand;
  }

  /** The ledger as the API gives it. */
  rawLedger(): Promise<unknown> {
    return this.#request('GET', '/api/v1/ledger');
  }

  async #register(id: string): Promise<DeviceLogin> {
    const { token } = (await this.#request('POST', '/api/v1/devices', { id })) as { token: string };
    return { id, token };
  }

  async #request(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<unknown> {
    const response = await this.#fetch(path, {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${this.#key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status === 403) throw new Forbidden(`${method} ${path} is not for this key`);
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 300)}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.#url + path, init);
    } catch (cause) {
      throw new Error(`nothing answers at ${this.#url}: does the platform run there?`, { cause });
    }
  }
}

interface TwinsAnswer {
  readonly data: {
    readonly devices: {
      readonly nodes: readonly {
        readonly deviceId: string;
        readonly twin: {
          readonly telemetry: Readonly<Record<string, { readonly value: unknown }>>;
          readonly presence: { readonly connected: boolean };
        };
      }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  } | null;
  readonly errors?: unknown;
}

interface LedgerAnswer {
  readonly lanes: {
    readonly control: { readonly bytes: number };
    readonly telemetry: {
      readonly bytes: number;
      readonly appended: number;
      readonly consumers: Readonly<
        Record<'twins' | 'writer', { readonly position: number; readonly inFlight: number }>
      >;
    };
  };
}
