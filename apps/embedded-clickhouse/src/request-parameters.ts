import { CODES, raise } from './clickhouse-error.ts';

/** What a request says beside its body. */
export interface RequestParameters {
  readonly query: string;
  readonly queryId: string | null;
  readonly database: string | null;
  readonly format: string | null;
  readonly compressAnswer: boolean;
  readonly user: string | null;
  readonly password: string | null;
  /** Everything else in the URL: settings of the engine, which knows the good ones itself. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** `param_x`, escaped as HTTP clients do. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

const SETTINGS_MAX = 200;
const NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const DATABASE_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const QUERY_ID_PATTERN = /^[\x21-\x7e]{1,128}$/;

/** Understood, or without meaning here: answers are always complete before their first byte is sent. */
const TRANSPORT_NAMES = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'enable_http_compression',
  'user',
  'password',
  'quota_key',
  'wait_end_of_query',
  'buffer_size',
  'http_response_buffer_size',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_zlib_compression_level',
  'stacktrace',
  'decompress',
  'client_protocol_version',
  'add_http_cors_header',
  'cancel_http_readonly_queries_on_client_close',
  'role',
]);
const REFUSED_NAMES = new Set(['session_id', 'session_timeout', 'session_check']);

export function requestParameters(search: URLSearchParams, header: (name: string) => string | null): RequestParameters {
  const settings: [string, string][] = [];
  const parameters: [string, string][] = [];
  for (const [name, value] of search) {
    if (REFUSED_NAMES.has(name)) throw raise(CODES.notImplemented, 'The embedded ClickHouse keeps no sessions');
    if (name === 'compress' && value !== '0') throw raise(CODES.notImplemented, 'Only HTTP compression is known here');
    if (TRANSPORT_NAMES.has(name) || name === 'compress') continue;
    if (!NAME_PATTERN.test(name)) throw raise(CODES.badArguments, 'A setting has a name that no setting can have');
    if (name.startsWith('param_')) parameters.push([name, value]);
    else settings.push([name, value]);
  }
  if (settings.length + parameters.length > SETTINGS_MAX) {
    throw raise(CODES.badArguments, `More than ${SETTINGS_MAX} settings in one request`);
  }
  const database = search.get('database') ?? header('x-clickhouse-database');
  if (database !== null && !DATABASE_PATTERN.test(database))
    throw raise(CODES.badArguments, 'Not the name of a database');
  const queryId = search.get('query_id');
  if (queryId !== null && !QUERY_ID_PATTERN.test(queryId)) throw raise(CODES.badArguments, 'Not a query id');
  const format = search.get('default_format') ?? header('x-clickhouse-format');
  if (format !== null && !NAME_PATTERN.test(format)) throw raise(CODES.badArguments, 'Not the name of a format');
  return {
    query: search.get('query') ?? '',
    queryId,
    database,
    format,
    compressAnswer: search.get('enable_http_compression') === '1',
    user: search.get('user') ?? header('x-clickhouse-user'),
    password: search.get('password') ?? header('x-clickhouse-key'),
    settings,
    parameters,
  };
}

/** `SET`s and `USE` in front of the statement: a connection of its own runs them, so that nothing leaks to the next. */
export function preamble(
  request: Pick<RequestParameters, 'database' | 'settings' | 'parameters'>,
  limits: readonly (readonly [string, string])[],
): string {
  const database = request.database === null ? '' : `USE \`${request.database}\`; `;
  const sets = [...limits, ...request.settings, ...request.parameters];
  return database + sets.map(([name, value]) => `SET ${name} = ${literal(value)}; `).join('');
}

function literal(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\0');
  return `'${escaped}'`;
}
